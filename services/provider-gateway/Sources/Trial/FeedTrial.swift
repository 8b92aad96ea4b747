import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime

/// `provider-gateway try`: runs the first provider alone, without NATS, until it has delivered some
/// ticks, and reports what came. `tapeline feed try` shows it to people.
struct FeedTrial {
    static let subcommand = ServiceDescription.Subcommand(
        "try", "Run the provider alone, without NATS, report its first ticks, and stop.")

    static let keys = [
        ConfigurationKey(
            "GATEWAY_TRIAL_TICKS", .integer(0...1_000), default: "10", group: "Gateway",
            "Ticks after which 'try' ends; 0: as soon as a feed is live."),
        ConfigurationKey(
            "GATEWAY_TRIAL_TIME", .duration(.milliseconds(100)...Duration.seconds(600)),
            default: "30s", group: "Gateway", "How long 'try' waits for ticks at most."),
    ]

    /// How often the channel is looked at.
    private static let turn = Duration.milliseconds(5)
    /// How often the provider's page is looked at, in turns.
    private static let turnsPerLook = 50
    /// How long a refused instrument's reason is waited for at most.
    private static let reasonMax = Duration.seconds(3)
    /// A provider that failed to connect so often in a row is not there.
    private static let failuresMax = 3

    let settings: GatewaySettings
    let context: ServiceContext

    /// Succeeds if the ticks came that were asked for.
    func run() throws -> ExitCode {
        let delivery = settings.delivery
        guard let kind = delivery.kinds.first else { return .usage }
        let provider = try kind.make(
            ProviderKind.Context(
                configuration: context.configuration, telemetry: context.telemetry,
                threads: context.threads))
        let channel = ProviderChannel(recordsMax: delivery.channelRecords)
        var order = ProviderOrder(
            source: settings.source, registry: delivery.registry,
            instruments: delivery.registry.wanted)
        order.partitions = context.configuration.integer("MDS_PARTITIONS")
        let clock = SystemClock()
        var result = TrialResult(
            provider: kind.name,
            ticksMax: context.configuration.integer("GATEWAY_TRIAL_TICKS"),
            registry: delivery.registry, start: clock.monotonic())
        try provider.start(order, into: channel)
        let deadline = clock.deadline(after: context.configuration.duration("GATEWAY_TRIAL_TIME"))
        follow(channel, provider, &result, until: deadline)
        report(result, provider)
        channel.close()
        _ = provider.stop(within: delivery.stopTimeout)
        return result.isSuccess ? .success : .failure
    }

    private func follow(
        _ channel: ProviderChannel, _ provider: any ProviderSource, _ result: inout TrialResult,
        until deadline: MonotonicTime
    ) {
        let clock = SystemClock()
        var records: [ProviderRecord] = []
        for turn in 1... {
            _ = channel.receive(into: &records)
            let now = clock.monotonic()
            for record in records { result.take(record, now: now) }
            records.removeAll(keepingCapacity: true)
            guard !result.isComplete, !channel.isFinished, now < deadline,
                !context.shutdown.wait(timeout: Self.turn)
            else { return }
            // More attempts would fail as these did.
            if turn % Self.turnsPerLook == 0, result.liveAfter == nil,
                words(of: provider).failures >= Self.failuresMax
            {
                return
            }
        }
    }

    private func words(of provider: any ProviderSource) -> ProviderWords {
        var json = JSONWriter(capacity: 4_096)
        json.object { provider.write(into: &$0) }
        return ProviderWords(json.bytes)
    }

    private func report(_ result: TrialResult, _ provider: any ProviderSource) {
        for tick in result.ticks {
            context.telemetry.emit(.trialTick(provider: result.provider, tick: tick))
        }
        let reason = reason(of: provider, isRefused: result.isRefused)
        context.telemetry.emit(
            .trialEnded(result: result, status: words(of: provider), reason: reason))
    }

    /// What a provider says of its instruments is shown a moment after the record of a refusal.
    private func reason(of provider: any ProviderSource, isRefused: Bool) -> String {
        let clock = SystemClock()
        let deadline = clock.deadline(after: Self.reasonMax)
        while true {
            let reason = provider.standings.map(\.reason).first { !$0.isEmpty } ?? ""
            guard isRefused, reason.isEmpty, clock.monotonic() < deadline,
                !context.shutdown.wait(timeout: Self.turn)
            else { return reason }
        }
    }
}

/// The state of a provider's connection, as its page has it.
struct ProviderWords {
    var state = ""
    var reason = ""
    /// Attempts to connect that failed in a row.
    var failures = 0

    init(_ page: [UInt8]) {
        do throws(JSONError) {
            let said = try JSONValue.parse(page)
            state = said["state"]?.string ?? ""
            reason = said["reason"]?.string ?? ""
            failures = said["failed_attempts"]?.int ?? 0
        } catch {
            reason = "its page cannot be read: \(error)"
        }
    }
}

extension ServiceEvent {
    /// One of the first ticks of a trial.
    fileprivate static func trialTick(provider: String, tick: TrialResult.Tick) -> Self {
        // 0: the tick has no such time.
        func time(_ time: Timestamp) -> LogValue { .integer(time.isDefined ? time.nanoseconds : 0) }
        return Self(
            .info, "gateway.trial.tick", "\(tick.kind) of \(tick.symbol): \(tick.text)",
            ("provider", .text(provider)), ("symbol", .text(tick.symbol)),
            ("kind", .text(tick.kind)), ("values", .text(tick.text)),
            ("provider_time", time(tick.providerTime)), ("receive_time", time(tick.receiveTime)))
    }

    /// The end of a trial. `live_after` and `tick_after` are nanoseconds; -1: it did not happen.
    /// `reason`: what the provider says of the instruments; empty: nothing.
    fileprivate static func trialEnded(result: TrialResult, status: ProviderWords, reason: String)
        -> Self
    {
        Self(
            result.isSuccess ? .info : .error, "gateway.trial",
            result.isSuccess
                ? "the provider delivers" : "the provider does not deliver what was asked for",
            ("provider", .text(result.provider)), ("ticks", .integer(Int64(result.tickCount))),
            ("live_after", .integer(result.liveAfter ?? -1)),
            ("tick_after", .integer(result.tickAfter ?? -1)),
            ("gaps", .integer(Int64(result.gaps))), ("refused", .flag(result.isRefused)),
            ("works", .flag(result.isSuccess)),
            ("state", .text(status.state)), ("reason", .text(status.reason)),
            ("instrument_reason", .text(reason)))
    }
}
