"""What `lumen doctor` looks at: the machine, the data folder, the databases."""
