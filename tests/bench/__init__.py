"""Benchmarks. They print what they measure, side by side with what they are measured against, and judge nothing."""
