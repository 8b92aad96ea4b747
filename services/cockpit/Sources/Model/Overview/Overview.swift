import DeploymentWatch
import Primitives

/// What the first page shows: the way of a tick, edge by edge, and one verdict in words. Pure.
struct Overview: Sendable {
    typealias State = StepState

    /// One step of the way.
    struct Edge: Equatable, Sendable {
        let id: String
        let from: String
        let to: String
        var state = State.unknown
        var words = ""
        /// Records per second, with what they are.
        var rate: Double?
        var unit = "ticks/s"
        /// Unread records, and the age of the oldest of them.
        var lagRecords: UInt64?
        var lagSeconds: Double?
        /// When the newest record came.
        var newestAt: MonotonicTime?
        /// When its owner last said so.
        var measuredAt = MonotonicTime.distantPast
    }

    enum Level: String, Sendable, CaseIterable {
        case good, quiet, unknown, warning, bad
    }

    struct Line: Equatable, Sendable {
        let level: Level
        fileprivate(set) var text: String
        /// The name of the page in `docs/runbooks`.
        let runbook: String?
        /// Whether it speaks of what is lost for ever, and not of now.
        private(set) var isLost = false

        /// A line about what is lost for ever of today.
        static func lost(_ text: String) -> Line {
            var line = Line(.warning, text, "Gaps")
            line.isLost = true
            return line
        }

        init(_ level: Level, _ text: String, _ runbook: String? = nil) {
            self.level = level
            self.text = text
            self.runbook = runbook
        }
    }

    /// One of the numbers below the verdict.
    struct Figure: Equatable, Sendable {
        let name: String
        /// `nil` when it is not known now.
        var value: String?
        let measuredAt: MonotonicTime
        /// Its line over the last minutes, and the number that continues it.
        var line: FigureTrails.Line?
        var number: Double?
    }

    var edges: [Edge] = []
    /// What is wrong, the worst first, or one line that says that all is well.
    var verdict: [Line] = []
    var figures: [Figure] = []

    /// Puts a local stack's name into the commands of the verdict; empty: none.
    mutating func name(_ stack: String) {
        for index in verdict.indices {
            verdict[index].text = TapeCommand.named(verdict[index].text, in: stack)
        }
    }
}
