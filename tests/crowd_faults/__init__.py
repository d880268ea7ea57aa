"""A crowd that fails in every way, and kernels that die while they ask it to pay: nobody is paid twice or forgotten."""
