"""What keeps a program from the real devices of a machine: each thing in words, with the command that mends it."""

from __future__ import annotations

from dataclasses import asdict, dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from acrypto.idxd.sysfs import Discovery, RealDevice, RealQueue

#: What a boot loader tells the kernel so that devices may use a process's own addresses.
BOOT = "boot with intel_iommu=on,sm_on on the kernel's command line"
NO_DEVICE = "no IAX device (PCI 8086:0cfe) in this machine"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is as it should be, or not.

    Args:
        subject: what: a module, `iax1`, `iax1/wq1.0`.
        state: how it is, in words.
        mend: what to do about it; empty if nothing needs doing.
    """

    subject: str
    state: str
    mend: str = ""

    def as_dict(self) -> dict[str, str]:
        """For machines."""
        return asdict(self)


def examine(found: Discovery) -> list[Finding]:
    """Everything worth telling of what was found, from the machine down to each queue.

    A machine without such a device gives one finding, which asks for nothing.
    """
    if not found.pci and not found.devices:
        return [Finding("iaa", NO_DEVICE)]
    told = list(_modules(found))
    if "idxd" in found.modules and not found.devices:
        state = f"{len(found.pci)} on the PCI bus, and none under /sys/bus/dsa"
        told.append(Finding("iaa", state, "look why: dmesg | grep idxd"))
    for device in found.devices:
        told += _device(found, device)
    if found.queues:
        told.append(Finding("iaa", f"usable: {', '.join(f'{queue.device}/{queue.dev}' for queue in found.queues)}"))
    return told


def _modules(found: Discovery) -> Iterator[Finding]:
    if "idxd" not in found.modules:
        yield Finding("module idxd", "not loaded", "modprobe idxd")
    if "iaa_crypto" not in found.modules:
        # The kernel's own users of the device need it; a program that opens the queues does not.
        yield Finding("module iaa_crypto", "not loaded; only the kernel's own users need it", "modprobe iaa_crypto")


def _device(found: Discovery, device: RealDevice) -> Iterator[Finding]:
    name = device.name
    if device.state == "halted":
        yield Finding(name, "halted", f"reset it: rmmod and modprobe idxd; then accel-config enable-device {name}")
    elif device.state != "enabled":
        yield Finding(name, "disabled", f"accel-config enable-device {name}")
    if device.files.get("pasid_enabled") != "1":
        yield Finding(name, "PASID is off: the IOMMU is not in scalable mode", BOOT)
    configured = [queue for queue in device.queues if queue.size and queue.group_id >= 0]
    if not configured:
        first = device.queues[0].dev if device.queues else f"wq{name[3:]}.0"
        yield Finding(name, "no queue is configured", _configure(f"{name}/{first}", "--wq-size=16 "))
    if all(group < 0 for group in device.engines.values()):
        engine = next(iter(device.engines), f"engine{name[3:]}.0")
        yield Finding(name, "every engine is in no group", f"accel-config config-engine {name}/{engine} --group-id=0")
    served = set(device.engines.values())
    for queue in configured:
        if queue.group_id not in served and any(group >= 0 for group in served):
            engine = next((one for one, group in device.engines.items() if group < 0), next(iter(device.engines)))
            mend = f"accel-config config-engine {name}/{engine} --group-id={queue.group_id}"
            yield Finding(f"{name}/{queue.dev}", f"group {queue.group_id} has no engine", mend)
        yield from _queue(found, queue)


def _configure(queue: str, size: str = "") -> str:
    return (
        f"accel-config config-wq {queue} --group-id=0 --mode=dedicated {size}--type=user --priority=10 "
        "--name=acrypto --driver-name=user"
    )


def _queue(found: Discovery, queue: RealQueue) -> Iterator[Finding]:
    subject = f"{queue.device}/{queue.dev}"
    disable, enable = f"accel-config disable-wq {subject}", f"accel-config enable-wq {subject}"
    if queue.driver == "crypto" or (queue.type == "kernel" and queue.state == "enabled"):
        owner = queue.driver or queue.driver_name or "kernel"
        mend = f"{disable}; {_configure(subject)}; {enable}"
        yield Finding(subject, f"owned by the kernel's driver {owner}", mend)
        return
    if queue.state != "enabled":
        yield Finding(subject, "not enabled", enable)
        return
    if not queue.exists:
        mend = "udevadm trigger; in a container, give it the device"
        yield Finding(subject, f"enabled, and {queue.path} is not there", mend)
    elif not queue.accessible:
        yield Finding(subject, f"no permission on {queue.path}", f"setfacl -m u:$USER:rw {queue.path}")
    if not found.can_submit(queue):
        if queue.mode == "shared":
            mend = f"{disable}; {_configure(subject)}; {enable}"
            yield Finding(subject, "shared, and the CPU has no ENQCMD", mend)
        else:
            yield Finding(subject, "dedicated, and the CPU has no MOVDIR64B", "a CPU with MOVDIR64B")
