import Primitives

/// What one look of `tapeline watch` says about the whole deployment.
struct WatchSight: Sendable {
    /// A source and how long ago its last watermark was. `nil` if it has none, or is retired.
    struct Source: Equatable, Sendable {
        let name: String
        let watermarkSeconds: Double?
    }

    /// A group and how far it is behind.
    struct Group: Equatable, Sendable {
        let name: String
        /// Ordinals that it has not taken; `nil` if it reports none.
        let behind: UInt64?
        let ready: Int
        /// Partitions without a live owner.
        let silent: Int
        /// Partitions of ticks of which nobody says how far they are read.
        var unheard = 0
    }

    /// What the database says of gaps.
    struct Gaps: Equatable, Sendable {
        /// `nil` if it did not say.
        var open: UInt64?
        /// Why it answers and does not tell them.
        var problem: String?
    }

    var now = MonotonicTime.distantPast
    /// Why NATS gave no sample. Then nothing else is known but the database.
    var natsProblem: String?
    /// Why the database does not answer. `nil` if it does, or if none is named.
    var databaseProblem: String?
    var sources: [Source] = []
    var groups: [Group] = []
    var ticksPerSecond: Double?
    /// The age of the lowest watermark of the bars.
    var barSeconds: Double?
    /// Bytes that the fullest stream still takes, and all bytes in the streams.
    var freeBytes: UInt64?
    var freePercent: UInt64 = 100
    var storedBytes: UInt64 = 0
    var gaps = Gaps()
    /// The reports of gateways on this machine. Empty for other deployments.
    var silentFeeds: [String] = []
    var liveFeeds = 0
    var spooledTicks: UInt64 = 0
    /// The database's clock against this machine's.
    var clock: ClockOffset?
}
