"""What must hold for every implementation of a kind of algorithm, published answers or not."""
