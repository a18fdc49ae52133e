"""Pictures that people upload: looked at in a process of its own, made into what is shown."""
