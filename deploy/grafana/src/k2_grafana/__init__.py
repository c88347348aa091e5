"""Grafana's dashboards: tables of panels, and the program that writes them as files."""
