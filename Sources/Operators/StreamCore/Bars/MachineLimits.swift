/// How much one machine may hold. Tests use smaller limits.
struct MachineLimits: Sendable {
    var openWindows = StreamLimits.openWindowsMax
    var openWindowsPerKey = StreamLimits.openWindowsPerKeyMax
    var lateTicks = StreamLimits.lateTicksMax
}
