import DeploymentWatch
import Primitives
import TestSupport

@testable import Cockpit

/// Sightings of a deployment in which all is well, so many seconds after the first look.
enum MadeSighting {
    static func time(_ seconds: Double) -> MonotonicTime {
        MonotonicTime(nanoseconds: 1_000_000_000_000 + Int64(seconds * 1e9))
    }

    /// What was seen at this second.
    static func known<Value>(_ value: Value, at seconds: Double) -> Known<Value> {
        Known(value: value, measuredAt: time(seconds))
    }

    static func member(_ group: String, _ name: String, held: [Int], at seconds: Double)
        -> Sighting.Member
    {
        Sighting.Member(
            group: group, name: name, state: "ready", held: held, release: "0.1.0",
            heardAt: time(seconds), leaseNanoseconds: 500_000_000)
    }

    /// Returns a sighting in which all is well.
    static func well(_ seconds: Double = 10) -> Sighting {
        var sighting = Sighting()
        sighting.now = time(seconds)
        sighting.listening.since = time(0)
        sighting.partitions = 2
        sighting.sources = [source(seconds)]
        sighting.bars = Sighting.Head(
            name: "bars", gateways: "operator", ordinals: UInt64(seconds),
            reportedAt: time(seconds - 0.5), changedAt: time(seconds - 1))
        let read = Sighting.Lag(records: 0, seconds: 0)
        sighting.groups = [
            Sighting.Group(name: "operator", reportedAt: time(seconds - 0.5), ticks: read),
            Sighting.Group(
                name: "store", reportedAt: time(seconds - 0.5), ticks: read, bars: read),
        ]
        sighting.members = [
            member("operator", "worker", held: [0, 1], at: seconds - 0.1),
            member("source-ib", "gateway", held: [0], at: seconds - 0.1),
            member("store", "writer", held: [0, 1], at: seconds - 0.1),
        ]
        sighting.streams = known(
            [.init(name: "MD_BARS", bytes: 10, limit: 100)], at: seconds - 0.5)
        sighting.database = known(.init(writtenSeconds: 0.4), at: seconds - 0.5)
        sighting.gaps = known(GapList(), at: seconds - 0.5)
        sighting.services = known(
            [service(seconds, name: "provider-gateway", isReady: true)], at: seconds - 0.5)
        return sighting
    }

    /// A service that was asked half a second ago.
    static func service(
        _ seconds: Double, _ address: String = "127.0.0.1:8500", name: String = "",
        isReady: Bool = false
    ) -> Sighting.Service {
        Sighting.Service(
            address: address, measuredAt: time(seconds - 0.5), name: name, isReady: isReady)
    }

    static func source(_ seconds: Double, _ name: String = "ib") -> Sighting.Head {
        Sighting.Head(
            name: name, gateways: "source-\(name)", ordinals: UInt64(seconds * 60),
            reportedAt: time(seconds - 0.5), changedAt: time(seconds - 0.5))
    }
}
