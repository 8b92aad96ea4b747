import DeploymentWatch
import MarketModel
import Membership
import MembershipTransport
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeKeeping
import TapeProtocol
import TapeTransport

/// Asks NATS and its monitor.
struct NatsLook {
    private static let timeout: Duration = .seconds(2)

    let deployment: Deployment
    let client: TapeClient

    func facts(_ sizes: SetupCommand.Sizes) throws -> NatsFacts {
        var facts = NatsFacts()
        facts.peer = client.connection.peer
        facts.version = client.connection.serverVersion
        facts.durability = TapeWatch.durability(deployment.monitors, client)
        askMonitor(&facts)
        let names = deployment.names
        let setup = SetupRun(names: names, sizes: sizes)
        for wanted in setup.wanted { facts.streams.append(try stream(wanted)) }
        var letters = NatsFacts.Stream(name: names.deadLetterStream)
        letters.exists = try client.jetStream.streamInfo(letters.name) != nil
        facts.streams.append(letters)
        let there = Set(facts.streams.filter(\.exists).map(\.name))
        let partitions = (0..<names.partitions).map { Partition($0) }
        facts.lastTicks = try Self.lastPackets(
            of: partitions.map { (names.tickStream(of: $0), names.ticks($0)) }, in: there, client)
        facts.lastBars = try Self.lastPackets(
            of: (partitions + [names.universe]).map { (names.barStream, names.output($0)) },
            in: there, client)
        return facts
    }

    /// Returns the times of the last packet at each place. One that is damaged is left out.
    static func lastPackets(
        of places: [(stream: String, subject: String)], in streams: Set<String>,
        _ client: TapeClient
    ) throws -> [NatsFacts.Packet] {
        try places.filter { streams.contains($0.stream) }.compactMap { stream, subject in
            do {
                return try client.lastPacket(stream: stream, subject: subject).map {
                    NatsFacts.Packet(sent: $0.header.sendTime, taken: $0.time)
                }
            } catch is PacketError {
                return nil
            }
        }
    }

    /// How NATS's clock differs; `nil`: no monitor says so.
    var clock: ClockOffset? {
        var facts = NatsFacts()
        askMonitor(&facts)
        return facts.clock
    }

    private func askMonitor(_ facts: inout NatsFacts) {
        let clock = SystemClock()
        for monitor in deployment.monitors {
            do {
                let asked = clock.now()
                let answer = try HTTPProbe.get(
                    host: monitor.host, port: monitor.port, path: "/varz", timeout: Self.timeout)
                let answered = clock.now()
                let said = try JSONValue.parse(answer.body)
                guard said["server_id"]?.string == client.connection.serverID else { continue }
                facts.monitor = NatsFacts.Monitor(said)
                facts.clock = said["now"]?.string.flatMap(ISOTime.parse).map {
                    ClockOffset(asked: asked, answered: answered, theirs: $0)
                }
                return
            } catch {
                // What an acknowledgement means is unknown then, too, and that finding says why.
                continue
            }
        }
    }

    private func stream(_ wanted: StreamConfiguration) throws -> NatsFacts.Stream {
        var stream = NatsFacts.Stream(name: wanted.name)
        guard let info = try client.jetStream.streamInfo(wanted.name) else {
            stream.exists = false
            return stream
        }
        stream.bytes = info.bytes
        stream.bytesMax = info.configuration.maxBytes
        stream.copies = info.copies?.servers.count ?? 1
        var same = wanted
        // Its size is a matter of taste.
        same.maxBytes = info.configuration.maxBytes
        stream.differences = same.differences(from: info.configuration)
        guard deployment.allStreams.contains(wanted.name), info.messages > 1,
            let first = try client.jetStream.message(
                stream: wanted.name, sequence: info.firstSequence),
            let last = try client.jetStream.message(
                stream: wanted.name, sequence: info.lastSequence)
        else { return stream }
        let seconds = Double(last.time.nanoseconds(since: first.time)) / 1e9
        if seconds >= 1 { stream.bytesPerSecond = Double(info.bytes) / seconds }
        return stream
    }

    /// Returns who is heard, and which partitions have no live owner.
    func groups() throws -> ServiceFacts {
        let directory = try GroupDirectory(client)
        let table = MembersTable(members: directory.members, owners: directory.owners)
        var facts = ServiceFacts()
        facts.needed = try GroupRegistry.registrations(client).essential
        facts.members = directory.members.map { member in
            ServiceFacts.Member(
                group: member.group.text, name: member.heartbeat.member.text,
                state: member.heartbeat.state.rawValue,
                release: ProductVersion.shown(
                    member.heartbeat.release, member.heartbeat.revision))
        }
        facts.silent = table.groups.compactMap { group in
            let partitions = table.withoutOwner(group, of: deployment.names.partitions)
            return partitions.isEmpty
                ? nil : ServiceFacts.Silent(group: group.text, partitions: partitions)
        }
        return facts
    }
}

extension NatsFacts.Monitor {
    init(_ said: JSONValue) {
        let store = said.at("jetstream", "config")
        hasJetStream = store?.members?.isEmpty == false
        storedBytes = said.at("jetstream", "stats", "storage")?.uint64 ?? 0
        storeBytesMax = store?["max_storage"]?.uint64 ?? 0
        connections = said["connections"]?.uint64 ?? 0
        connectionsMax = said["max_connections"]?.uint64 ?? 0
        slowConsumers = said["slow_consumers"]?.uint64 ?? 0
    }
}
