"""Speed of minimising movements: along characteristics, at equal error, a step, and with noise."""
