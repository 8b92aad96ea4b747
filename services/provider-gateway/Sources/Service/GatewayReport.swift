import MarketModel
import Membership
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization
import TapeKeeping
import TapeTransport

/// The latest report of the gateway's thread, which the thread of the operations port reads.
final class GatewayReport: Sendable {
    /// The newest acknowledged ordinal of a partition.
    struct Head: Sendable {
        var partition: Partition
        var epoch: UInt64
        var lastOrdinal: UInt64
    }

    enum Role: String, Sendable {
        /// Another gateway owns the source, or none does.
        case standby
        /// This gateway owns the source, and its epochs are being opened.
        case opening
        /// It takes and publishes ticks.
        case active
    }

    /// The state of the gateway's thread.
    struct Progress: Sendable {
        var role = Role.standby
        /// The number of ticks that the provider has handed out since its market began, in all
        /// tenures.
        var generated: UInt64 = 0
        /// Whether all providers have ended and everything is taken.
        var finished = false
        /// Whether the source is open here.
        var opened = false
        /// The number of ticks that were taken and not sent yet.
        var waiting = 0
        var partitions: [Head] = []
        /// How the source's record was stored.
        var record = SourceRecorder.Status()
        /// Why policies act; empty when they do not.
        var pressure: BackpressureMachine.Causes = []
        /// The group that the source waits for; `nil` when it does not wait.
        var hold: StorePressure.Hold?
        /// How far quotes are conflated because a group is far behind.
        var conflated = BacklogSteps(ticksMin: 0)
        /// `nil` when there is no spool.
        var spooled: (ticks: Int, bytes: Int)?
        /// `nil` when no provider fills this source's gaps.
        var gaps: GapTracker.Status?
    }

    /// A subject that was found restored to an older state.
    private struct Loss {
        let found: TapePublisher.RolledBack
        let time: Timestamp
    }

    /// The maximum of losses that are shown; beyond it the oldest are dropped.
    private static let lossesMax = 64

    private let settings: GatewaySettings
    private let progress = Mutex(Progress())
    private let losses = Mutex<[Loss]>([])

    private let providers = Mutex<[any ProviderSource]>([])
    private let feeders = Mutex<[(symbol: Symbol, provider: String)]>([])
    private let heads = Mutex<HeadReporter?>(nil)
    /// When the newest tick of each instrument was taken, by its number; empty out of a tenure.
    private let newest = Mutex<[MonotonicTime]>([])
    /// The report of the source of delayed data; `nil` while it is not open.
    private let delayed = Mutex<GatewayReport?>(nil)
    private let clock = SystemClock()

    init(_ settings: GatewaySettings) { self.settings = settings }

    /// From now on also announces the newest ordinals while the source is open here.
    func reportHeads(by reporter: HeadReporter) { heads.withLock { $0 = reporter } }

    /// Sets the providers of the present tenure, whose state `/status` shows.
    func show(_ present: [any ProviderSource]) { providers.withLock { $0 = present } }

    /// The providers of the present tenure; empty when there is none.
    var present: [any ProviderSource] { providers.withLock { $0 } }

    /// Whether this gateway takes and publishes ticks.
    var isActive: Bool { progress.withLock { $0.role == .active } }

    /// Sets the report of the source of delayed data; `nil`: it is not open.
    func show(delayed report: GatewayReport?) { delayed.withLock { $0 = report } }

    /// Sets the provider of each symbol; empty when there is only one provider.
    func show(feeders present: [(symbol: Symbol, provider: String)]) {
        feeders.withLock { $0 = present }
    }

    /// Takes the state of the gateway's thread, which calls this periodically.
    func update(_ present: Progress) {
        progress.withLock { $0 = present }
        if present.role != .active { newest.withLock { $0 = [] } }
        guard present.opened, let reporter = heads.withLock({ $0 }) else { return }
        reporter.report(now: clock.monotonic()) {
            present.partitions.map {
                TapeHead(partition: $0.partition, epoch: $0.epoch, lastOrdinal: $0.lastOrdinal)
            }
        }
    }

    /// Takes when the newest tick of each instrument was taken, by its number. It is copied into
    /// memory that is used again, so that the gateway's own array stays the only one of its memory.
    func show(newest present: [MonotonicTime]) {
        newest.withLock { newest in
            newest.removeAll(keepingCapacity: true)
            newest.append(contentsOf: present)
        }
    }

    /// Returns a moment of the monotonic clock as a person reads it.
    private func time(_ moment: MonotonicTime) -> String {
        clock.now().advanced(byNanoseconds: moment - clock.monotonic()).description
    }

    /// Adds losses. They are shown until the gateway ends, because a person has to check what
    /// happened to the tape.
    func add(_ found: [TapePublisher.RolledBack], now: Timestamp) {
        guard !found.isEmpty else { return }
        losses.withLock { losses in
            losses += found.map { Loss(found: $0, time: now) }
            losses.removeFirst(max(0, losses.count - Self.lossesMax))
        }
    }

    /// Writes the gateway's section of `/status`.
    func write(into json: inout JSONWriter) {
        let present = progress.withLock { $0 }
        json.member("source", settings.source.text)
        json.member("role", present.role.rawValue)
        writeProviders(into: &json)
        json.member("generated", present.generated)
        json.member("finished", present.finished)
        json.member("opened", present.opened)
        json.member("waiting", present.waiting)
        json.member("partitions", each: present.partitions) { head, json in
            json.member("partition", head.partition.number)
            json.member("epoch", head.epoch)
            json.member("last_ordinal", head.lastOrdinal)
        }
        if present.role == .active { writeNewest(into: &json) }
        json.member("policy_trades", settings.policies.trades.rawValue)
        json.member("policy_quotes", settings.policies.quotes.rawValue)
        json.member("policies_act", present.pressure.letPoliciesAct)
        json.member("room", present.pressure.text)
        json.key("slowed")
        if let hold = present.hold {
            json.object { json in
                json.member("group", hold.group.text)
                json.member("lag", hold.ticks)
                json.member("lag_max", settings.policies.lagMax)
                json.member("since", time(hold.since))
            }
        } else if present.conflated.step > 0, let slowest = present.conflated.slowest {
            json.object { json in
                json.member("group", slowest.group.text)
                json.member("lag", slowest.ticks)
                json.member("quote_interval_ms", present.conflated.interval / 1_000_000)
                json.member("since", time(present.conflated.since))
            }
        } else {
            json.null()
        }
        if let spooled = present.spooled {
            json.object("spool") { json in
                json.member("ticks", spooled.ticks)
                json.member("bytes", spooled.bytes)
                json.member("bytes_max", settings.spoolBytesMax)
            }
        }
        json.object("record") { json in write(present.record, into: &json) }
        if let gaps = present.gaps {
            json.object("gaps") { json in write(gaps, into: &json) }
        }
        let losses = losses.withLock { $0 }
        json.array("rolled_back") { json in for loss in losses { write(loss, into: &json) } }
        if let delayed = delayed.withLock({ $0 }) {
            json.object("delayed") { delayed.write(into: &$0) }
        }
    }

    private func writeNewest(into json: inout JSONWriter) {
        let page = NewestTicksPage(
            times: newest.withLock { $0 }, settings.delivery.registry, now: clock.monotonic(),
            // Delayed data come of some instruments of the list only.
            withoutTicks: !settings.source.isDelayed)
        json.object("newest") { page.write(into: &$0) }
    }

    private func write(_ record: SourceRecorder.Status, into json: inout JSONWriter) {
        json.member("writes", record.writes)
        json.key("written")
        if record.written.isDefined {
            json.value(record.written.description)
        } else {
            json.null()
        }
        json.key("problem")
        if let problem = record.problem { json.value(problem) } else { json.null() }
    }

    /// Writes the providers and what they deliver.
    private func writeProviders(into json: inout JSONWriter) {
        let delivery = settings.delivery
        json.member("provider", delivery.kinds.map(\.name).joined(separator: ","))
        if let synthetic = settings.synthetic {
            json.member("pace", synthetic.pace.rawValue)
            json.member("rate", synthetic.market.rate)
        }
        json.member("symbols", delivery.registry.wanted.count)
        let providers = providers.withLock { $0 }
        // The synthetic provider has no state to show beyond its settings.
        if !providers.isEmpty, settings.synthetic == nil {
            json.object("providers") { json in
                for one in providers {
                    json.object(one.name) { one.write(into: &$0) }
                }
            }
        }
        let feeders = feeders.withLock { $0 }
        if !feeders.isEmpty {
            json.object("feeds") { json in
                for feed in feeders { json.member(feed.symbol.text, feed.provider) }
            }
        }
    }

    private func write(_ gaps: GapTracker.Status, into json: inout JSONWriter) {
        json.member("open", gaps.missing)
        json.key("oldest")
        if gaps.oldest.isDefined { json.value(gaps.oldest.description) } else { json.null() }
        json.member("writes", gaps.stored.writes)
        json.key("problem")
        if let problem = gaps.stored.problem { json.value(problem) } else { json.null() }
    }

    private func write(_ loss: Loss, into json: inout JSONWriter) {
        json.object { json in
            json.member(
                "reason", "the tape was restored from a backup: it lost what it had acknowledged")
            json.member("subject", loss.found.subject)
            json.member("time", loss.time.description)
            json.member("first_lost", loss.found.lost?.lowerBound ?? 0)
            json.member("last_lost", loss.found.lost?.upperBound ?? 0)
        }
    }
}
