/// What one machine may hold. Tests give smaller limits.
struct MachineLimits: Sendable {
    var openWindows = StreamLimits.openWindowsMax
    var openWindowsPerKey = StreamLimits.openWindowsPerKeyMax
    var lateTicks = StreamLimits.lateTicksMax
}
