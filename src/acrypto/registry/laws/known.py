"""Published answers first: they alone can tell a wrong algorithm that is consistent with itself."""

from __future__ import annotations

from acrypto.registry.known_answers.index import answers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from acrypto.registry.laws.trial import Trial


def known_answers(trial: Trial) -> int:
    """Asks for every known answer of the algorithm; how many there are."""
    name, kind = trial.subject.name, trial.subject.kind
    found = answers(name, kind)
    for number, answer in enumerate(found, 1):
        transform = trial.made(**answer.params)
        start = getattr(transform, answer.operation)
        case = f"{answer.operation}, number {number} ({answer.source})"
        law = "published answers are given"
        if isinstance(answer.expected, type):
            trial.refuses(answer.expected, law, case, start, *answer.arguments)
            continue
        given = trial.run(case, start, *answer.arguments)
        trial.law(given == answer.expected, law, case)
    return len(found)
