"""The live displays: a widget that follows runs, its link to the kernel, and its front end."""
