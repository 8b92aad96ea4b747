package import MarketModel
internal import Membership
internal import NatsTransport
package import Primitives
internal import ServiceRuntime
internal import Synchronization
internal import TapeProtocol
package import TapeTransport

/// Computes each registered group's lag once a second, whether or not a process of the group is
/// alive. Every gateway does so, on a separate thread.
package final class LagWatch: Sendable {
    private static let intervalNanoseconds: Int64 = 1_000_000_000
    /// How long after a full second the lag is computed. All processes report positions and heads
    /// at full seconds, so these have come.
    private static let reportsNanoseconds: Int64 = 50_000_000
    private static let callTimeout = Duration.seconds(1)
    private static let eventsMax = 16

    private final class Shared: Sendable {
        /// What the last turn found; `nil` before the first one.
        let seen = Mutex<LagLoop.Seen?>(nil)
    }

    private let shared = Shared()
    private let mailbox = TapeMailbox(capacity: LagWatch.eventsMax)
    private let thread: ServiceThread

    package init(_ client: TapeClient) throws {
        let (positions, heads) = (try GroupPositionListener(client), try HeadListener(client))
        let (shared, mailbox) = (shared, mailbox)
        thread = try ServiceThread(name: "group-lag") {
            let beat = client.threads.thread("group-lag", within: ThreadWatch.callLimit)
            defer { beat.retire() }
            var loop = LagLoop(client.calling(beat), positions: positions, heads: heads)
            let clock = SystemClock()
            var events: [TapeEvent] = []
            while !mailbox.isClosed {
                beat.beat()
                let seen = loop.turn()
                shared.seen.withLock { $0 = seen }
                let next =
                    clock.monotonic().next(every: Self.intervalNanoseconds)
                    + Self.reportsNanoseconds
                _ = mailbox.receive(
                    into: &events, max: Self.eventsMax, timeout: clock.remaining(until: next))
                events.removeAll(keepingCapacity: true)
            }
        }
    }

    deinit { mailbox.close() }

    package func stop() {
        mailbox.close()
        _ = thread.join(timeout: Self.callTimeout)
    }

    /// Returns how far the slowest group is behind, as a source sees it that can wait; `nil` before
    /// the first turn. Any thread may call it.
    package func backlog(of source: SourceName) -> StoreBacklog? {
        shared.seen.withLock { $0 }.map {
            StoreBacklog(slowest: $0.slowest, counted: $0.heads[source])
        }
    }

    /// Writes the section "lag" of `/status`, and all of `/scale`. A lag that cannot be known is
    /// null.
    package func write(into json: inout JSONWriter) {
        let seen = shared.seen.withLock { $0 }
        for (group, lag) in (seen?.lags ?? [:]).sorted(by: { $0.key.text < $1.key.text }) {
            json.key(group.text)
            guard let lag else {
                json.null()
                continue
            }
            json.object { json in
                json.member("lag", lag.ticks)
                json.member("lag_seconds", Double(lag.nanoseconds / 1_000_000) / 1_000)
                json.key("drain_seconds")
                if let drain = lag.drainNanoseconds {
                    json.value(Double(drain / 1_000_000) / 1_000)
                } else {
                    json.null()
                }
                json.key("rate")
                if let rate = seen?.rates[group] {
                    json.value(rate.rounded())
                } else {
                    json.null()
                }
            }
        }
    }
}

/// The main loop of the thread.
struct LagLoop {
    private static let callTimeout = Duration.seconds(1)

    /// What a turn found.
    struct Seen: Sendable {
        /// `nil` for a group whose lag cannot be known.
        var lags: [GroupName: LagTable.Lag?]
        /// How much a group has to read a second; without those of which that is not known.
        var rates: [GroupName: Double]
        /// `nil` when no group is registered.
        var slowest: StoreBacklog.Slowest?
        /// By source, the newest ordinals of its ticks, over all partitions.
        var heads: [SourceName: UInt64]
    }

    private let client: TapeClient
    private let jetStream: JetStream
    private let positions: GroupPositionListener
    private let heads: HeadListener
    private let clock = SystemClock()
    /// The bucket of groups; `nil` until it was opened.
    private var registry: GroupRegistry?
    /// The bucket's revision when `groups` was read; `nil` before.
    private var revision: UInt64?
    private var groups: [RegisteredGroup] = []
    private var table = LagTable()
    /// A group as the metrics show it.
    private struct Registered: Hashable {
        let name: GroupName
        let isNeeded: Bool

        init(_ group: RegisteredGroup) {
            name = group.group
            isNeeded = group.isNeeded
        }
    }

    private var registered: Set<Registered> = []
    /// The groups whose lag is in the metrics.
    private var shown: Set<GroupName> = []

    init(_ client: TapeClient, positions: GroupPositionListener, heads: HeadListener) {
        self.client = client
        jetStream = client.jetStream.within(Self.callTimeout)
        self.positions = positions
        self.heads = heads
    }

    /// Returns the lags of all groups, and asks the tape what the next turn needs.
    mutating func turn() -> Seen {
        do {
            try readGroups()
        } catch {
            // The groups that were read last are kept, because nothing newer is known.
            client.telemetry.emit(.lagUnread(reason: "\(error)"))
        }
        let now = clock.monotonic()
        let heads = heads.store
        let needed = Set(groups.filter(\.isNeeded).map(\.group))
        let lags = table.lags(groups, told: positions.store, heads: heads, now: now)
        show(lags)
        showRegistered()
        for question in table.questions {
            do {
                guard let age = try age(of: question) else { continue }
                table.answer(question, storedAt: now - age)
            } catch {
                client.telemetry.emit(.lagUnread(reason: "\(error)"))
                break
            }
        }
        let rates = groups.map { ($0.group, heads.rate(of: $0.reads, now: now)) }
        return Seen(
            lags: lags,
            rates: Dictionary(rates, uniquingKeysWith: { $1 }).compactMapValues { $0 },
            slowest: StoreBacklog.slowest(of: lags.filter { needed.contains($0.key) }),
            heads: heads.ordinals(of: .ticks))
    }

    /// Reads the registered groups if they have changed.
    private mutating func readGroups() throws {
        let registry = try self.registry ?? GroupRegistry.open(client)
        self.registry = registry
        let present = try registry.lastRevision()
        guard present != revision else { return }
        groups = try registry.groups()
        revision = present
    }

    /// Returns the age of the oldest unread record; `nil` when no record follows the position yet.
    private func age(of question: LagTable.Question) throws -> Int64? {
        let names = client.names
        let (stream, subject) =
            switch question.input {
            case .ticks:
                (
                    names.tickStream(of: question.partition),
                    names.ticks(question.partition, question.source)
                )
            case .bars: (names.barStream, names.derived(question.partition, question.source))
            }
        let message = try jetStream.firstMessage(
            stream: stream, from: question.sequence &+ 1, subject: subject)
        return message.map { clock.now().nanoseconds(since: $0.time) }
    }

    private mutating func show(_ lags: [GroupName: LagTable.Lag?]) {
        for group in shown where lags[group] == nil { remove(group) }
        shown = Set(lags.keys)
        for (group, lag) in lags {
            guard let lag else {
                remove(group)
                continue
            }
            ticks(group).set(Double(lag.ticks))
            seconds(group).set(Double(lag.nanoseconds) / 1e9)
            if let drain = lag.drainNanoseconds {
                self.drain(group).set(Double(drain) / 1e9)
            } else {
                self.drain(group).remove()
            }
        }
    }

    private func remove(_ group: GroupName) {
        ticks(group).remove()
        seconds(group).remove()
        drain(group).remove()
    }

    /// Shows which groups are registered, and what each one is.
    private mutating func showRegistered() {
        let present = Set(groups.map(Registered.init))
        for gone in registered.subtracting(present) { gauge(gone).remove() }
        for group in present { gauge(group).set(1) }
        registered = present
    }

    private func gauge(_ group: Registered) -> Gauge {
        client.telemetry.metrics.gauge(
            "mds_group_registered", "1 for each group for which the tape is kept",
            by: "group, role: operator, store, consumer; needed: true, false",
            labels: [
                ("group", group.name.text), ("role", group.name.role.rawValue),
                ("needed", "\(group.isNeeded)"),
            ])
    }

    private func ticks(_ group: GroupName) -> Gauge {
        client.telemetry.metrics.gauge(
            "mds_group_lag_ticks",
            "ticks and bars that the group has not read; absent when no head was heard for 10 s; "
                + "`max by (group)` over all gateways", "as `mds_group_lag_seconds`",
            labels: [("group", group.text)])
    }

    private func seconds(_ group: GroupName) -> Gauge {
        client.telemetry.metrics.gauge(
            "mds_group_lag_seconds",
            "age of the oldest record that the group has not read; absent when no head was heard "
                + "for 10 s", "rises: start more members, or find out what delays them",
            labels: [("group", group.text)])
    }

    private func drain(_ group: GroupName) -> Gauge {
        client.telemetry.metrics.gauge(
            "mds_group_drain_seconds",
            "time until the group has read everything on the tape, at the rate at which its lag "
                + "fell in the last 30 s; absent while the lag does not fall, and when the lag "
                + "is absent",
            "absent while `mds_group_lag_ticks` is high: the lag grows, see there",
            labels: [("group", group.text)])
    }
}

extension ServiceEvent {
    static func lagUnread(reason: String) -> Self {
        Self(
            .debug, "keeper.lag_unread",
            "what lag is computed from could not be read; the last values count",
            ("reason", .text(reason)))
    }
}
