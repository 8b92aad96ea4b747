import Glibc

/// A deadline that only a broken test reaches, however busy the machine is.
package let patience = Duration.seconds(120)

/// Polls until `condition` is true. The deadline only bounds a failing test. A condition that takes
/// long, or is not true for long, is polled less often, so that it does not take the processor from
/// what it waits for.
package func eventually(
    within seconds: Double = 120, _ condition: () throws -> Bool
) rethrows -> Bool {
    let clock = ContinuousClock()
    let began = clock.now
    let deadline = began + .seconds(seconds)
    while clock.now < deadline {
        let polled = clock.now
        if try condition() { return true }
        let spent = (clock.now - polled) / .milliseconds(1)
        let waited = (clock.now - began) / .milliseconds(1)
        sched_yield()
        poll(nil, 0, Int32(max(min(4 * spent, 500), min(waited / 16, 200), 5)))
    }
    return try condition()
}
