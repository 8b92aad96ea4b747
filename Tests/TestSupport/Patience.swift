import Glibc

/// A deadline that only a broken test reaches, however busy the machine is.
public let patience = Duration.seconds(120)

/// Polls until `condition` is true. The deadline only bounds a failing test.
public func eventually(
    within seconds: Double = 120, _ condition: () throws -> Bool
) rethrows -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < deadline {
        if try condition() { return true }
        sched_yield()
        poll(nil, 0, 5)
    }
    return try condition()
}
