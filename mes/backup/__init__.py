"""Backups of the whole record, their restoration into an empty place, and drills that show that both work.

Layout of a folder of backups:

    artefacts/ab/abcdef…        every stored file, once for all backups, under its SHA-256
    20261122T150000Z/           one finished backup
        backup.json             what it holds, with the digest of each part and of itself
        base/                   PostgreSQL's own base backup, its manifest and the WAL that makes it whole
        witness/, public/       the witness and the public halves of the seal keys
    .partial-…                  one that was not finished: it counts for nothing

Keys lie apart, in a folder of their own, or the copies protect nothing.
"""
