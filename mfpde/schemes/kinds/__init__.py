"""The schemes that come with the program, one file each: class docstring, options, what it refuses, how it refines."""
