#include "CRevision.h"

// Package.swift has it from the environment.
const char *tapeline_revision(void) { return TAPELINE_REVISION; }
