import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import TapeKeeping
import TapeTransport

/// The duties of every gateway for the complete tape, whether its source is active here or not. It
/// computes the lag of groups, and is ready to purge the tape when it owns group `keeper`.
struct TapeHousekeeping {
    /// How long leaving the group may take. While NATS is away no member learns that this one
    /// leaves; then its lease expires.
    private static let leaveNanoseconds: Int64 = 1_000_000_000
    private static let leavePoll = Duration.milliseconds(2)

    private let clock = SystemClock()
    private let keeper: TapeKeeper
    private let lag: LagWatch
    private let member: GroupMember

    init(
        _ settings: GatewaySettings, tape: TapeSettings, client: TapeClient,
        context: ServiceContext
    ) throws {
        let keeper = try TapeKeeper(client, keep: settings.keep)
        let lag = try LagWatch(client)
        let group = try GroupMember.Settings(
            context.configuration, group: .keepers, partitions: 1,
            operationsPort: context.operations.port)
        member = try GroupMember(group, tape: tape, context: context, ports: [keeper.port])
        (self.keeper, self.lag) = (keeper, lag)
        context.operations.addStatusSection("keeper") { keeper.write(into: &$0) }
        context.operations.addStatusSection("lag") { lag.write(into: &$0) }
        context.operations.addEndpoint("/scale") { .json { lag.write(into: &$0) } }
    }

    /// Returns how far the slowest group is behind the tape; `nil` while nothing is known.
    func backlog(of source: SourceName) -> StoreBacklog? { lag.backlog(of: source) }

    /// Stops the duties. Another gateway, if there is one, takes over immediately: the keeper stops
    /// between two steps, and its record reports that before its thread ends.
    func stop() {
        member.leave()
        let deadline = clock.monotonic() + Self.leaveNanoseconds
        let pause = Mailbox<Bool>(capacity: 1)
        var nothing: [Bool] = []
        while !member.hasLeft, clock.monotonic() < deadline {
            _ = pause.receive(into: &nothing, max: 1, timeout: Self.leavePoll)
        }
        keeper.stop()
        lag.stop()
        member.close()
    }
}
