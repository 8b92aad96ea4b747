import DeploymentWatch
import Primitives

@testable import Cockpit
@testable import CockpitTests

/// What went wrong in a made deployment, a minute before its pictures.
enum PlantedFault: String, CaseIterable {
    /// A broker is away, and an operator was killed: that of the pictures of docs/cockpit.md.
    case several
    case brokerAway = "broker-away"
    case operatorKilled = "operator-killed"
    case writerKilled = "writer-killed"
    case gatewayKilled = "gateway-killed"
    /// The pages that are open get no news any more.
    case cockpitKilled = "cockpit-killed"
    case natsStopped = "nats-stopped"
    case databaseAway = "database-away"
    case operatorBehind = "operator-behind"
    case tapeFull = "tape-full"
    case clockOff = "clock-off"
    case writerNotReady = "writer-not-ready"

    private static let begun = Double(PictureSite.seconds) - 60
    private static let nobody = "connection refused"

    var isBrokerAway: Bool { self == .several || self == .brokerAway }
    var isOperatorGone: Bool { self == .several || self == .operatorKilled }

    /// Changes what is seen at this second of a deployment that is well.
    func plant(into sighting: inout Sighting, at seconds: Double) {
        let age = seconds - Self.begun
        guard age > 0 else { return }
        let since = MadeSighting.time(Self.begun)
        switch self {
        // These are in what the deployment makes, or in how its page is opened.
        case .several, .brokerAway, .operatorKilled, .cockpitKilled: return
        case .writerKilled:
            Self.end("writer-a", at: since, "127.0.0.1:8520", in: &sighting)
            Self.delay("store", records: UInt64(age * 900), seconds: age, in: &sighting)
        case .gatewayKilled:
            Self.end("gateway-ib", at: since, "127.0.0.1:8501", in: &sighting)
            Self.stop(at: since, in: &sighting) { $0 == "ib" }
        case .natsStopped:
            sighting.natsProblem = "no answer for \(Int(age)) s"
            Self.stop(at: since, in: &sighting) { _ in true }
            sighting.streams.problem = "no answer"
            sighting.streams.measuredAt = since
            for member in sighting.members { Self.end(member.name, at: since, in: &sighting) }
        case .databaseAway:
            sighting.database.problem = Self.nobody
            sighting.database.measuredAt = since
            sighting.gaps.problem = Self.nobody
            sighting.gaps.measuredAt = since
            Self.delay("store", records: UInt64(age * 1_800), seconds: age, in: &sighting)
        case .operatorBehind:
            Self.delay("operator", records: UInt64(age * 2_400), seconds: age, in: &sighting)
        case .tapeFull:
            let full: UInt64 = 8_500_000_000
            let streams = (0..<4).map {
                Sighting.Stream(name: "MD_TICKS_\($0)", bytes: full, limit: 8_589_934_592)
            }
            sighting.streams = MadeSighting.known(streams, at: seconds - 0.5)
        case .clockOff:
            let asked = MadeDeployment.wall(seconds)
            sighting.database.value?.clock = ClockOffset(
                asked: asked, answered: asked, theirs: MadeDeployment.wall(seconds + 42))
        case .writerNotReady:
            Self.change("127.0.0.1:8520", in: &sighting) { service in
                service.isReady = false
                service.reasons = ["the database refuses rows of trades: the disk is full"]
            }
        }
    }

    /// The process was heard then for the last time, and does not answer at its address.
    private static func end(
        _ name: String, at time: MonotonicTime, _ address: String? = nil,
        in sighting: inout Sighting
    ) {
        sighting.members = sighting.members.map { member in
            guard member.name == name else { return member }
            return Sighting.Member(
                group: member.group, name: name, state: member.state, held: member.held,
                release: member.release, heardAt: time, leaseNanoseconds: member.leaseNanoseconds)
        }
        guard let address else { return }
        change(address, in: &sighting) { service in
            service.problem = nobody
            service.isReady = false
        }
    }

    private static func change(
        _ address: String, in sighting: inout Sighting,
        _ body: (inout Sighting.Service) -> Void
    ) {
        guard let place = sighting.services.value?.firstIndex(where: { $0.address == address })
        else { return }
        sighting.services.value?[place].change(body)
    }

    /// Sources of these names have said nothing since then.
    private static func stop(
        at time: MonotonicTime, in sighting: inout Sighting, _ isStopped: (String) -> Bool
    ) {
        sighting.sources = sighting.sources.map { source in
            guard isStopped(source.name) else { return source }
            return Sighting.Head(
                name: source.name, gateways: source.gateways, ordinals: 400_000,
                reportedAt: time, changedAt: time)
        }
    }

    private static func delay(
        _ group: String, records: UInt64, seconds: Double, in sighting: inout Sighting
    ) {
        for place in sighting.groups.indices where sighting.groups[place].name == group {
            sighting.groups[place].ticks = Sighting.Lag(records: records, seconds: seconds)
        }
    }
}

extension Sighting.Service {
    fileprivate mutating func change(_ body: (inout Self) -> Void) { body(&self) }
}
