internal import Primitives

/// The limits of the engine, and what happens at each of them. Times are in nanoseconds.
package enum EngineLimits {
    static let second: Int64 = 1_000_000_000

    /// The most events that wait for logs and metrics. Beyond it the oldest are dropped and
    /// counted.
    package static let eventsMax = 1_024
    /// The most ticks per instrument, kind and five seconds that are kept for an outage's border.
    /// Beyond it the border is unknown.
    package static let borderTicksMax = 4_096
    /// The most ended outages that wait for their border. Beyond it the oldest is abandoned.
    package static let closingMax = 4_096
    /// The most farms (parts of the vendor's service) of one kind that are listed as down. Further
    /// ones are not listed.
    package static let farmsMax = 64
    /// The most bulletins that are remembered, so that a new connection does not report them again.
    package static let bulletinsMax = 256
    /// The most reported headlines that are remembered, of all instruments. Beyond it the oldest
    /// are forgotten, and may be reported twice.
    package static let articlesMax = 4_096
    /// The most trading sessions per instrument, which is some weeks. Later ones are left out.
    package static let sessionsMax = 128
    /// The most time zones whose rules are known. Instruments in other zones have no trading hours.
    package static let zonesMax = 64
    /// The most bytes of a reason in a record or in the status. Longer reasons are cut.
    package static let reasonBytesMax = 256

    /// The time in which the server has to answer each step of opening.
    static let openingWait = 10 * second
    /// A connection that fails within this time was refused. A server that does not answer takes
    /// longer.
    static let refusedAtOnce = second
    /// After this time without any message the server is asked for its time.
    static let quietBeforeHeartbeat = 15 * second
    static let heartbeatInterval = 60 * second
    /// After this time without any message since the question, the connection is dead.
    static let heartbeatWait = 20 * second
    /// A subscription that is not refused within this time is taken to deliver.
    static let settling = 5 * second
    /// The same when nothing comes of its whole venue, which may be the provider's fault.
    static let settlingAlone = 60 * second
    /// The longest time that a tick is on its way, by the provider's clock.
    static let transit = second / 2
    /// How old a tick's stamp may be while the tick is on time. Stamps are whole seconds, or come
    /// from a clock that is known to a second only. `barLag` is the same for bars of five seconds,
    /// which are stamped with their end.
    static let stampedLag = second * 3 / 2
    static let barLag = second * 5 / 2
    /// How late delayed trades are at most, including the time on their way: 15 minutes are usual,
    /// some exchanges have 20.
    static let delayedLag = 1_210 * second
    /// The largest lag of delayed trades counts for so long, and at most twice as long.
    static let lagSpan = 60 * second
    /// How often live data are asked for again while delayed ones come in their place.
    static let liveLook = 900 * second
    /// The rank of such a question among requests that need a line: after those of all feeds.
    static let liveLookOrder = 1_000_000
    /// How long the provider may call data delayed that should be live. Then the feed is refused.
    static let liveWait = 60 * second
    /// The shortest time between two events about numbers that the tape's scale cannot hold.
    static let numbersReported = 10 * second
    /// Ticks that arrive within this time after a notice may have been sent before it. Only later
    /// ticks prove that data flow again.
    static let straggling = 2 * second
    /// A pause before an outage is compared with the feed's usual pauses only when it is longer
    /// than this. After a shorter pause the gap begins at the last tick, which is too early by at
    /// most this time.
    static let shortPause = 10 * second
    /// How long a history farm that is reported as down keeps requests back. Then they are tried
    /// again, and failures are not counted.
    static let historyDoubt = 60 * second
    /// A request that is sent on to another contract more often in a row is refused.
    static let reroutesMax = 3
    /// The interval between two checks of everything that waits.
    static let scanInterval = second / 4
    /// How long an answer with contract details, or the next request for them, is waited for.
    static let detailsWait = 30 * second
    /// The age at which contract details are requested again: their hours cover some days only.
    static let detailsAge: Int64 = .hours(12)
    /// How long after a refusal a feed is requested again. A person has to change something first.
    static let refusedWait = 3_600 * second
    /// How often in a row "no such contract" is not believed for a contract that the provider has
    /// described.
    static let doubtedRefusalsMax = 4
    /// The wait before a feed is requested again that has failed, or was refused a line. It doubles
    /// with each failure.
    static let downWait = 15 * second
    /// The longest of these waits, and the longest wait for something that was reported as down to
    /// come back by itself.
    static let downWaitMax = 600 * second
    /// The wait before a feed is requested again that the same user watches somewhere else.
    static let competingWait = 60 * second
    /// How late a late tick arrives, beyond what its stamp may lag. Ticks of history that are
    /// younger may still arrive live, so they are not filled in.
    static let lateness = 3 * second
    /// How long after an outage's end its border is complete: two seconds and a part of one, and
    /// the late ticks of these seconds. `BorderTicks` keeps what the border has by then.
    static let borderWait = 8 * second
}

extension String {
    /// The text, cut to the length that a record holds.
    var cutToReason: String { cut(toUTF8: EngineLimits.reasonBytesMax) }
}
