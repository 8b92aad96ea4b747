import MarketModel
import Primitives
import ServiceRuntime
import Telemetry

/// The clocks of one tenure: what time it is for its source, how far its watermark may go, and
/// which ticks are too far ahead.
struct SourceTime {
    private let source: SourceName
    private let telemetry: TelemetryHub
    private let system = SystemClock()
    private var clock = SourceClock()
    private var gate: FutureGate
    /// The last watermark of a time in which it was not held.
    private var standing = Timestamp(nanoseconds: Int64.min)
    private let gauge: Gauge

    init(_ settings: GatewaySettings, _ telemetry: TelemetryHub) {
        source = settings.source
        self.telemetry = telemetry
        gate = FutureGate(maxNanoseconds: settings.futureNanosecondsMax)
        gauge = telemetry.metrics.gauge(
            "mds_gateway_watermark_held",
            "1 while a step of the host's or the provider's clock holds the watermark, else 0.",
            labels: [("source", source.text)])
        gauge.set(0)
    }

    var isHeld: Bool { clock.holdsWatermark || gate.isProviderAhead }

    mutating func now() -> Timestamp {
        let change = clock.read(wall: system.now(), monotonic: system.monotonic().nanoseconds)
        if let change {
            telemetry.emit(
                HostClockChanged(
                    source: source, change: change,
                    aheadNanoseconds: clock.wallAheadNanoseconds))
        }
        return clock.now
    }

    /// No later tick is earlier, and no clock that is in doubt has moved it.
    mutating func watermark(of supply: TickSupply) -> Timestamp {
        let present = supply.watermark(now: now())
        if supply.isRecorded { return present }
        if isHeld { return min(present, standing) }
        standing = present
        return present
    }

    /// True: the tick is for no tape.
    mutating func refuses(_ header: TickHeader) -> Bool {
        let stamp = header.eventTime
        // What was fetched later says nothing about the present.
        if !header.flags.contains(.backfilled) { clock.heard(stamp: stamp) }
        let wasQuiet = gate.refused == 0
        let isRefused = gate.refuses(
            stamp, now: clock.now, monotonic: system.monotonic().nanoseconds)
        if isRefused, wasQuiet {
            telemetry.emit(
                FutureTicks(
                    source: source, news: .begun,
                    aheadNanoseconds: stamp.nanoseconds(since: clock.now)))
        }
        return isRefused
    }

    mutating func tell() {
        if let news = gate.news(monotonic: system.monotonic().nanoseconds) {
            telemetry.emit(FutureTicks(source: source, news: news, aheadNanoseconds: 0))
        }
        gauge.set(isHeld ? 1 : 0)
    }
}

/// Once at the beginning of a burst and once at its end, however many ticks it has.
struct FutureTicks: TelemetryEvent {
    static let name = "gateway.future_ticks"
    let source: SourceName
    let news: FutureGate.News
    let aheadNanoseconds: Int64

    var level: LogLevel {
        switch news {
        case .begun, .provider(isAhead: true): .error
        case .over, .provider(isAhead: false): .info
        }
    }

    var message: String {
        switch news {
        case .begun:
            "ticks are stamped ahead of the time and become dead letters: see 'tapeline dlq list', "
                + "and look at the provider's clock and at this host's"
        case .over: "no tick is stamped ahead of the time any more"
        case .provider(isAhead: true):
            "all ticks are stamped ahead of the time: the provider's clock has stepped, and the "
                + "watermark is held"
        case .provider(isAhead: false): "ticks that can be taken come again"
        }
    }

    var fields: [(String, LogValue)] {
        var fields: [(String, LogValue)] = [("source", .text(source.text))]
        if aheadNanoseconds != 0 { fields.append(("ahead.ns", .integer(aheadNanoseconds))) }
        if case .over(let ticks) = news { fields.append(("ticks", .unsigned(ticks))) }
        return fields
    }
}

/// The host's wall clock and its monotonic clock do not agree any more.
struct HostClockChanged: TelemetryEvent {
    static let name = "gateway.clock"
    let source: SourceName
    let change: SourceClock.Change
    let aheadNanoseconds: Int64

    var level: LogLevel {
        switch change {
        case .stepped, .kept: .error
        case .followed: .warning
        case .returned: .info
        }
    }

    var message: String {
        switch change {
        case .stepped:
            "the host's clock has stepped: the watermark is held until ticks say what time it is"
        case .kept:
            "ticks go on as before the step of the host's clock, so it is not followed: set it "
                + "right, or start the gateway anew if it is right"
        case .followed: "ticks agree with the host's clock after its step: it is followed"
        case .returned: "the host's clock is back from its step"
        }
    }

    var fields: [(String, LogValue)] {
        [("source", .text(source.text)), ("ahead.ns", .integer(aheadNanoseconds))]
    }

    func count(in metrics: MetricRegistry) {
        guard case .stepped = change else { return }
        metrics.counter(
            "mds_gateway_clock_steps_total", "Steps of the host's clock above a second.",
            labels: [("source", source.text)]
        ).add()
    }
}
