"""Widgets in a real browser; conftest.py says what a test can ask for.

A package, so that its fixtures end with it: while Playwright runs, asyncio.run() is refused to every other test.
"""
