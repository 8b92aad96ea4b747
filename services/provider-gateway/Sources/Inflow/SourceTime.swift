import MarketModel
import Primitives
import ServiceRuntime

/// The source's clock in one tenure, with its events and metrics. It decides what time it is for
/// the source, how far the watermark may go, and which ticks are too far ahead. `Inflow` owns it.
struct SourceTime {
    private let source: SourceName
    private let telemetry: TelemetryHub
    /// Reads the host's wall clock and monotonic clock.
    private let clocks: @Sendable () -> Moment
    private var clock = SourceClock()
    /// The moment of the last reading.
    private var monotonic = MonotonicTime.distantPast
    private var gate: FutureGate
    /// The last watermark from before the time was in doubt. The watermark stays there meanwhile.
    private var heldWatermark = Timestamp(nanoseconds: Int64.min)
    /// 1 while the watermark is held.
    private let gauge: Gauge

    /// `providers` is their number. `clocks` reads the host's clocks; tests pass their own.
    init(
        _ settings: GatewaySettings, _ telemetry: TelemetryHub, providers: Int,
        clocks: @escaping @Sendable () -> Moment = { SystemClock().moment() }
    ) {
        self.clocks = clocks
        source = settings.source
        self.telemetry = telemetry
        gate = FutureGate(
            maxNanoseconds: settings.futureNanosecondsMax, providers: providers)
        gauge = telemetry.metrics.gauge(
            "mds_gateway_watermark_held",
            "1 while a step of the host's or the provider's clock holds the watermark, else 0",
            "1: bars wait; `gateway.clock` and `gateway.future_ticks` have the reason",
            labels: [("source", source.text)])
        gauge.set(0)
    }

    /// Whether the watermark is held, because the time is in doubt: the host's clock or the
    /// provider's has stepped.
    var isHeld: Bool { clock.holdsWatermark || gate.isProviderAhead }

    /// Reads the clocks and returns what time it is for the source.
    mutating func now() -> Timestamp {
        let present = clocks()
        monotonic = present.monotonic
        let change = clock.read(wall: present.wall, monotonic: present.monotonic)
        if let change {
            // Providers reported their leads relative to the time before the step. Their next
            // reports replace the leads.
            if case .followed = change { gate.forgetLeads() }
            telemetry.emit(
                .hostClockChanged(
                    source: source, change: change,
                    aheadNanoseconds: clock.wallAheadNanoseconds))
        }
        return clock.now
    }

    /// Gives providers this clock for their stamps, and takes their reports of how far their own
    /// clocks are ahead.
    mutating func agree(with ticks: DeliveredTicks) {
        if let offset = clock.offsetNanoseconds { ticks.inlets.follow(clockOffset: offset) }
        guard let (provider, ahead) = ticks.inlets.takeClockAhead() else { return }
        received(aheadNanoseconds: ahead, of: provider)
    }

    /// Takes a provider's report that its clock is `ahead` nanoseconds ahead.
    mutating func received(aheadNanoseconds ahead: Int64, of provider: Int) {
        clock.received(aheadNanoseconds: ahead)
        gate.know(provider, isAhead: ahead)
    }

    /// Returns the watermark: no live tick that is not taken yet is earlier. It stays where it is
    /// while the time is in doubt. The watermark of a recording does not depend on the time.
    mutating func watermark(of ticks: DeliveredTicks) -> Timestamp {
        let present = ticks.watermark(now: now())
        if ticks.inlets.isRecorded { return present }
        if isHeld { return min(present, heldWatermark) }
        heldWatermark = present
        return present
    }

    /// Returns whether a provider's tick is refused, because it is too far ahead for the tape. Its
    /// stamp also helps to decide whether a step of the host's clock is right.
    mutating func refuses(_ header: TickHeader, of provider: Int) -> Bool {
        let stamp = header.eventTime
        // A receive time, which the gateway itself stamps, shows nothing about this clock. A tick
        // of the past shows nothing about the present.
        if header.providerTime.isDefined, header.flags.isDisjoint(with: Self.ofThePast) {
            clock.received(stamp: stamp)
        }
        // The clock was read at the beginning of a turn, and the process may have been stopped
        // since. So it is read again before a tick is refused.
        if gate.isAhead(stamp, of: provider, now: clock.now) { _ = now() }
        let wasQuiet = gate.refused == 0
        let isRefused = gate.refuses(
            stamp, of: provider, now: clock.now, monotonic: monotonic)
        if isRefused, wasQuiet {
            telemetry.emit(
                .futureTicks(
                    source: source, change: .begun,
                    aheadNanoseconds: stamp.nanoseconds(since: clock.now)))
        }
        return isRefused
    }

    /// The flags of ticks whose times say nothing about the present.
    private static let ofThePast: TickFlags = [.backfilled, .delayed, .snapshot]

    /// Returns the likely time of a refused tick, for the gap record that covers it: its stamp if
    /// the host's wall clock after a step agrees with that, else the present time.
    func likelyTime(of header: TickHeader) -> Timestamp {
        clock.isOfStep(header.eventTime) ? header.eventTime : clock.now
    }

    /// Whether a burst of refused ticks is under way.
    var isRefusing: Bool { gate.refused > 0 }

    /// Emits the events that follow the first refused tick of a burst, and shows whether the
    /// watermark is held. The tenure calls it ten times a second.
    mutating func report() {
        if let change = gate.change(monotonic: monotonic) {
            telemetry.emit(.futureTicks(source: source, change: change, aheadNanoseconds: 0))
        }
        gauge.set(isHeld ? 1 : 0)
    }
}

extension SystemClock {
    /// Reads both clocks.
    func moment() -> Moment { Moment(wall: now(), monotonic: monotonic()) }
}

extension ServiceEvent {
    /// Reports ticks that are stamped ahead: once at the beginning of a burst and once at its end,
    /// however many ticks it has. It also reports when the provider's clock has stepped, and when
    /// that is over.
    /// `aheadNanoseconds`: how far the first refused tick is ahead; 0 for other changes.
    static func futureTicks(source: SourceName, change: FutureGate.Change, aheadNanoseconds: Int64)
        -> Self
    {
        let level: LogLevel =
            switch change {
            case .begun, .provider(isAhead: true): .error
            case .over, .provider(isAhead: false): .info
            }
        let message: String =
            switch change {
            case .begun:
                "ticks are stamped ahead of the time and become dead letters: see 'tapeline dlq "
                    + "list', and look at the provider's clock and at this host's"
            case .over: "no tick is stamped ahead of the time any more"
            case .provider(isAhead: true):
                "all ticks are stamped ahead of the time: the provider's clock has stepped, and "
                    + "the watermark is held"
            case .provider(isAhead: false): "ticks that can be taken come again"
            }
        var fields: [(String, LogValue)] = [("source", .text(source.text))]
        if aheadNanoseconds != 0 { fields.append(("ahead.ns", .integer(aheadNanoseconds))) }
        if case .over(let ticks) = change { fields.append(("ticks", .unsigned(ticks))) }
        return Self(level, "gateway.future_ticks", message, fields: fields)
    }

    /// Reports that the host's wall clock and its monotonic clock no longer agree, and what
    /// followed from it.
    /// `aheadNanoseconds`: how far the wall clock is ahead of the source's clock; negative when it
    /// is late.
    static func hostClockChanged(
        source: SourceName, change: SourceClock.Change, aheadNanoseconds: Int64
    ) -> Self {
        let level: LogLevel =
            switch change {
            case .stepped, .kept: .error
            case .followed: .warning
            case .returned: .info
            }
        let message: String =
            switch change {
            case .stepped:
                "the host's clock has stepped: the watermark is held until the provider's own "
                    + "times say what time it is"
            case .kept:
                "ticks continue as before the step of the host's clock, so it is not followed: set "
                    + "it right, or restart the gateway if it is right"
            case .followed: "ticks agree with the host's clock after its step: it is followed"
            case .returned: "the host's clock is back from its step"
            }
        return Self(
            level, "gateway.clock", message,
            ("source", .text(source.text)), ("ahead.ns", .integer(aheadNanoseconds))
        ) {
            guard case .stepped = change else { return }
            $0.counter(
                "mds_gateway_clock_steps_total", "a step of the host's clock above a second",
                "above 0: check the host's time service; the log has whether the step was followed",
                labels: [("source", source.text)]
            ).add()
        }
    }
}
