/// Bounds that are no settings.
package enum HistoryLimits {
    /// How long the end of a range has to be over, in nanoseconds: trades of before may be reported
    /// until then.
    package static let leastAge: Int64 = 60_000_000_000
    /// The symbols of one load. Each holds a page of trades or bars.
    package static let symbolsMax = 200
    /// The rows of the pages of all symbols, where a service lets choose how many a page has.
    package static let rowsMax = 400_000
    /// Answers in a row without anything, although more is to follow. Then they cannot be used.
    package static let emptyAnswersMax = 1_000
    /// Answers in a row that cannot be used. Then the load fails.
    package static let uselessAnswersMax = 8
    /// Trades of one time that wait for those of the next page. With more of them the load fails.
    package static let heldMax = 200_000
    /// What is counted of a range at most.
    package static let countMax: UInt64 = 1 << 48
    /// How often a question of a plan is asked. Then it has no answer.
    package static let questionTriesMax = 5
    /// The longest wait that a service may want of a plan, in seconds. Beyond it there is none.
    package static let questionWaitMax: Int64 = 600
}
