"""Rendering kustomizations and Helm charts with the tools themselves."""
