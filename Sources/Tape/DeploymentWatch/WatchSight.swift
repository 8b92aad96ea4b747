package import Membership
package import Primitives

/// What one look says about the whole deployment.
package struct WatchSight: Sendable {
    /// A source and how long ago its last watermark was. `nil` if it has none, or is retired.
    package struct Source: Equatable, Sendable {
        package let name: String
        package let watermarkSeconds: Double?

        package init(name: String, watermarkSeconds: Double?) {
            self.name = name
            self.watermarkSeconds = watermarkSeconds
        }
    }

    /// A group and how far it is behind.
    package struct Group: Equatable, Sendable {
        package let name: String
        /// Ordinals that it has not taken; `nil` if it reports none.
        package let behind: UInt64?
        package let ready: Int
        /// Partitions without a live owner.
        package let silent: Int
        /// Partitions of ticks of which nobody says how far they are read.
        package var unheard: Int

        package init(
            name: String, behind: UInt64?, ready: Int, silent: Int, unheard: Int = 0
        ) {
            self.name = name
            self.behind = behind
            self.ready = ready
            self.silent = silent
            self.unheard = unheard
        }
    }

    /// A process of a service whose page was asked.
    package struct Process: Equatable, Sendable {
        package let name: String
        /// Why it does not answer. `nil` if it does.
        package var silence: String?
        /// Why it answers and is not ready. `nil` if it is.
        package var unready: String?
        /// What it lacks though it is ready. `nil` if nothing.
        package var degraded: String?
        /// Whether that is a table whose group waits apart.
        package var holdsTableBack = false

        package init(
            name: String, silence: String? = nil, unready: String? = nil, degraded: String? = nil
        ) {
            self.name = name
            self.silence = silence
            self.unready = unready
            self.degraded = degraded
        }
    }

    /// What the database says of gaps.
    package struct Gaps: Equatable, Sendable {
        /// `nil` if it did not say.
        package var open: UInt64?
        /// Why it answers and does not tell them.
        package var problem: String?
    }

    /// What gateways on this machine report. Empty for other deployments.
    package struct Feeds: Equatable, Sendable {
        package var silent: [String] = []
        package var live = 0
        package var spooledTicks: UInt64 = 0

        package init() {}
    }

    package var now = MonotonicTime.distantPast
    /// Why NATS gave no sample. Then nothing else is known but the database.
    package var natsProblem: String?
    /// Why the database does not answer. `nil` if it does, or if none is named.
    package var databaseProblem: String?
    package var sources: [Source] = []
    package var groups: [Group] = []
    /// Those whose pages were asked. A member that calls itself ready in its group may be unable
    /// to work.
    package var processes: [Process] = []
    /// The groups without which nothing comes out.
    package var needed: [GroupName] = [.operators, .store]
    package var ticksPerSecond: Double?
    /// The age of the lowest watermark of the bars: up to then all of them are there. The newest
    /// bar may be older, as a watermark of idle partitions comes without one.
    package var barSeconds: Double?
    /// Bytes that the fullest stream still takes, and all bytes in the streams.
    package var freeBytes: UInt64?
    package var freePercent: UInt64 = 100
    package var storedBytes: UInt64 = 0
    package var gaps = Gaps()
    package var feeds = Feeds()
    /// The database's clock against this machine's.
    package var clock: ClockOffset?

    package init() {}

    /// Whether what is wrong with a group is told: not of a store that is not needed.
    func isMissed(_ group: String) -> Bool {
        GroupName(group)?.isStore != true || needed.contains { $0.text == group }
    }
}
