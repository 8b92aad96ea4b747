import MarketModel
import Membership
import Primitives
import ServiceRuntime
import Synchronization
import TapeKeeping

/// How a source waits for the readers of the tape, as metrics and events.
struct SlowedMetrics: Sendable {
    private let slowed: Gauge
    private let quoteInterval: Gauge
    private let time = WaitedTime()

    private final class WaitedTime: Sendable {
        let nanoseconds = Atomic<UInt64>(0)
        let isHeld = Atomic<Bool>(false)
    }

    init(_ metrics: MetricRegistry, source: SourceName) {
        let labels = [("source", source.text)]
        slowed = metrics.gauge(
            "mds_gateway_slowed",
            "1 while a source that can wait hands out nothing, because a group is more than "
                + "GATEWAY_LAG_MAX ticks behind, else 0",
            "1 now and then: a load goes at the pace of its readers; for hours: the group is "
                + "away or too slow", labels: labels)
        quoteInterval = metrics.gauge(
            "mds_gateway_quote_interval_seconds",
            "shortest time between two quotes of a symbol while a group is more than "
                + "GATEWAY_LAG_CONFLATE ticks behind; 0: every quote is taken",
            "above 0 for long: the group is away or too slow; the gaps have what is left out",
            labels: labels)
        let time = time
        metrics.countReading(
            "mds_gateway_slowed_seconds_total",
            "a second in which the source handed out nothing for that reason",
            "its rate is the share of the time that it waits", labels: labels
        ) { Double(time.nanoseconds.load(ordering: .relaxed)) / 1e9 }
    }

    /// What was shown last.
    var isHeld: Bool { time.isHeld.load(ordering: .relaxed) }

    func show(isHeld: Bool, waited nanoseconds: Int64) {
        slowed.set(isHeld ? 1 : 0)
        time.isHeld.store(isHeld, ordering: .relaxed)
        time.nanoseconds.wrappingAdd(UInt64(max(0, nanoseconds)), ordering: .relaxed)
    }

    func show(quoteInterval nanoseconds: Int64) { quoteInterval.set(Double(nanoseconds) / 1e9) }

    /// The time that was waited, in seconds.
    var seconds: Double { Double(time.nanoseconds.load(ordering: .relaxed)) / 1e9 }
}

extension ServiceEvent {
    /// Reports how far quotes are conflated from now on because a group is far behind.
    static func quotesConflated(source: SourceName, steps: BacklogSteps) -> Self {
        let group = steps.slowest?.group.text ?? ""
        let ticks = steps.slowest?.ticks ?? 0
        let interval = steps.interval / 1_000_000
        return Self(
            steps.step > 0 ? .warning : .info, "gateway.conflated",
            steps.step > 0
                ? "group \(group) is \(ticks) ticks behind: a symbol has one quote in "
                    + "\(interval) ms, and the rest is in gap records; trades are all taken"
                : "every quote is taken again: no group is far behind",
            ("source", .text(source.text)), ("group", .text(group)),
            ("lag.ticks", .unsigned(ticks)), ("interval.ms", .integer(interval)))
    }

    /// Reports that the source waits for a group that reads the tape, or does not any more.
    static func sourceSlowed(source: SourceName, news: StorePressure.News, ticksMax: UInt64) -> Self
    {
        switch news {
        case .slowed(let hold):
            Self(
                .info, "gateway.slowed",
                "the source waits: group \(hold.group.text) is \(hold.ticks) ticks behind, and "
                    + "GATEWAY_LAG_MAX is \(ticksMax); it goes on at half of that, at the pace of "
                    + "the slowest group",
                ("source", .text(source.text)), ("group", .text(hold.group.text)),
                ("lag.ticks", .unsigned(hold.ticks)))
        case .free:
            Self(
                .info, "gateway.slowed",
                "the source does not wait any more: no group is too far behind",
                ("source", .text(source.text)))
        }
    }
}
