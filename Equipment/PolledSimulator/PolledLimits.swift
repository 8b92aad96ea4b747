/// The limits of the simulated services, and what happens beyond them.
package enum PolledLimits {
    /// How much faster than the real time the simulated time may go. A higher speed is refused.
    package static let speedMax = 1_000_000
    /// Series, coins and currencies of one request. What is beyond them has no answer.
    static let namesMax = 515
    /// Observations of one answer, as FRED has it. A request for more is refused.
    static let observationsMax = 100_000
    /// Vintages that one request may span, as FRED has it. A request for more is refused.
    static let vintagesMax = 2_000
    /// Values of a service whose becoming known is logged in one step. After a jump of the clock,
    /// older ones are not.
    static let loggedStepsMax: Int64 = 60
}
