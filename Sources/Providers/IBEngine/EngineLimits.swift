/// What bounds the engine, and what happens there. Times are in nanoseconds.
public enum EngineLimits {
    static let second: Int64 = 1_000_000_000

    /// Events that wait for logs and metrics; of more the oldest fall out and are counted.
    public static let newsMax = 1_024
    /// Ticks of an instrument and kind that are kept, per five seconds, for the border of an
    /// outage. Of more, nothing is known of its surroundings.
    public static let borderTicksMax = 4_096
    /// Outages that have ended and wait for their border; of more the oldest is abandoned.
    public static let closingMax = 4_096
    /// Parts of the vendor's service that are known to be down; further ones are not told apart.
    public static let farmsMax = 64
    /// Bulletins whose numbers are kept, so that a new connection does not tell them again.
    public static let bulletinsMax = 256
    /// Headlines that are known to be told, of all instruments; of more the oldest are forgotten,
    /// and may be told twice.
    public static let articlesMax = 4_096
    /// Sessions of one instrument that are kept, some weeks; later ones are left out.
    public static let sessionsMax = 128
    /// Time zones that are known; instruments in others have no trading hours.
    public static let zonesMax = 64
    /// Of a reason in a record or in the status; it is cut there.
    public static let reasonBytesMax = 200

    /// What the server has to answer within, at each step of opening.
    static let openingWait = 10 * second
    /// A connection that fails so soon was refused; what does not answer takes longer.
    static let refusedAtOnce = second
    /// Nothing at all for so long: the server is asked whether it is there.
    static let quietBeforeHeartbeat = 15 * second
    static let heartbeatInterval = 60 * second
    /// Nothing at all for so long after asking: the connection is dead.
    static let heartbeatWait = 20 * second
    /// A subscription that was not refused for so long is taken to deliver.
    static let settling = 5 * second
    /// The same where nothing at all comes, and it may be the provider's fault.
    static let settlingAlone = 60 * second
    /// How long a tick is on its way at most, by the provider's clock.
    static let transit = second / 2
    /// How old a tick may be by its stamp, and be on time: whole seconds, or a clock of which not
    /// more is known; and a bar of five seconds, which is stamped with its end.
    static let stampedLag = second * 3 / 2
    static let barLag = second * 5 / 2
    /// How late delayed trades are at most, and what they need to come: 15 minutes are usual, some
    /// exchanges have 20.
    static let delayedLag = 1_210 * second
    /// So long the provider may call data delayed that are to be live, before they are refused.
    static let liveWait = 60 * second
    /// At most one event in this time tells of numbers that the tape's scale does not hold.
    static let numbersTold = 10 * second
    /// What a busy session delivers within, before it counts as alive again by its ticks alone.
    static let straggling = 2 * second
    /// A gap that begins so much earlier than it had to is told as it is: shorter pauses of a feed
    /// are not asked whether they are usual.
    static let shortPause = 10 * second
    /// How long a farm of history that is said to be down keeps requests back; then they are tried
    /// again, and what fails does not count.
    static let historyDoubt = 60 * second
    /// A request that is sent on to other contracts more often has none.
    static let reroutesMax = 3
    /// How often what waits is looked at.
    static let scanInterval = second / 4
    static let detailsWait = 30 * second
    static let detailsAge = 43_200 * second
    static let refusedWait = 3_600 * second
    /// So often in a row it is not believed that there is no contract of which the provider told.
    static let doubtedRefusalsMax = 4
    static let downWait = 15 * second
    static let downWaitMax = 600 * second
    static let competingWait = 60 * second
    /// How late a tick comes that comes late, beyond what its stamp may lag: what history has of
    /// seconds as young as that may still come by itself, and is not filled in.
    static let lateness = 3 * second
    /// So long after an outage's end its border is complete: two seconds and a part of one, and
    /// what comes late in them. What it holds by then is kept in `BorderTicks`.
    static let borderWait = 8 * second
}

extension String {
    /// Cut to what a record holds.
    var asReason: String { cut(toUTF8: EngineLimits.reasonBytesMax) }
}
