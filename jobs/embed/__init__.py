"""Texts to vectors: one port, two engines that are held together by a contract test."""
