"""Minimising movements of atoms by their dual."""
