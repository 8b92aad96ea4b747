import Membership
import MembershipTransport
import ServiceRuntime
import TapeKeeping
import TapeTransport

/// What every gateway does for the tape as a whole, whether its source is active here or not: it
/// computes how far groups are behind, and is ready to keep the tape in bounds when it is its turn.
struct TapeDuties {
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

    /// Another gateway takes over at once, if there is one: nothing is under way between two steps.
    func stop() {
        member.leave()
        keeper.stop()
        lag.stop()
        member.close()
    }
}
