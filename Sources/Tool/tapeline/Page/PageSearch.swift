import Membership
import NatsTransport
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport

/// Finds the operations page of a process by its name: on this machine by the state of the stack,
/// elsewhere by what the services say on NATS.
struct PageSearch {
    /// How long answers are waited for.
    static let window: Duration = .milliseconds(700)
    private static let answersMax = 1_024

    /// A process that has a page.
    struct Known: Equatable {
        /// The name of the member.
        let name: String
        let service: String
        let host: String
        let port: UInt16
        /// What to do if it does not answer, where its host is only likely.
        var advice: String?
    }

    let name: String

    func page(of deployment: Deployment) throws(ToolError) -> Known {
        guard let home = deployment.home else {
            let client: TapeClient
            do throws(ToolError) {
                client = try deployment.connect()
            } catch {
                return try withoutNats("\(error)")
            }
            defer { client.close() }
            return try chosen(try announced(client))
        }
        let units = try StackState.read(home)?.alive ?? []
        return try chosen(
            units.compactMap { unit in
                unit.operationsPort.map {
                    Known(
                        name: unit.name, service: Self.service(of: unit.name),
                        host: StackPlan.loopback, port: $0)
                }
            })
    }

    /// The service of a process of a local stack, whose name begins with it.
    private static func service(of unit: String) -> String {
        StackPlan.servicePrograms.first { unit == $0 || unit.hasPrefix("\($0)-") } ?? unit
    }

    /// Returns the process of the name. That of a service means its one process.
    func chosen(_ all: [Known]) throws(ToolError) -> Known {
        let exact = all.filter { $0.name == name }
        let found = exact.isEmpty ? all.filter { $0.service == name } : exact
        if let only = found.first, found.count == 1 { return only }
        guard !all.isEmpty else {
            throw .unreachable(
                "no process answers: 'tapeline status' and 'tapeline doctor' say why")
        }
        let names = Set((found.isEmpty ? all : found).map(\.name)).sorted()
        let listed = names.prefix(16).joined(separator: ", ")
        guard found.isEmpty else {
            throw .refused(
                "'\(name.prefix(64))' are \(found.count) processes: name one of \(listed)")
        }
        throw .refused("no process '\(name.prefix(64))' answers; these do: \(listed)")
    }

    // MARK: NATS

    /// The ports of the services' pages where no setting says otherwise.
    static let usualPorts: [String: UInt16] = [
        "provider-gateway": 8_500, "provider-gateway-standby": 8_500, "operator-worker": 8_501,
        "store-writer": 8_502, "cockpit": 8_503,
    ]

    /// In a cluster the name of a service is that of its host, which leads to one of its processes.
    func withoutNats(_ problem: String) throws(ToolError) -> Known {
        let advice =
            "NATS does not say where \(name.prefix(64)) is (\(problem)): ask it itself, with "
            + "'docker compose exec' or 'kubectl exec' and '--probe-ready' of its program"
        guard let port = Self.usualPorts[name] else { throw .unreachable(advice) }
        return Known(name: name, service: name, host: name, port: port, advice: advice)
    }

    private func announced(_ client: TapeClient) throws(ToolError) -> [Known] {
        let heard = Mailbox<[UInt8]>(capacity: Self.answersMax)
        do throws(NatsError) {
            // Services may answer there alone.
            let inbox = "_INBOX.\(ServiceAnnouncement.randomID())"
            let answers = try client.connection.subscribe(
                "\(inbox).>", pendingMessagesMax: Self.answersMax
            ) { _ = heard.send($0.payload) }
            defer { answers.unsubscribe() }
            try client.connection.publish([], to: "$SRV.INFO", replyTo: "\(inbox).page")
            return collected(heard, of: client.names)
        } catch {
            throw .unreachable("the services cannot be asked: \(error)")
        }
    }

    private func collected(_ heard: Mailbox<[UInt8]>, of names: TapeNames) -> [Known] {
        let clock = SystemClock()
        let end = clock.deadline(after: Self.window)
        var found: [Known] = []
        var batch: [[UInt8]] = []
        while clock.remaining(until: end) > .zero, found.count < Self.answersMax {
            batch.removeAll(keepingCapacity: true)
            _ = heard.receive(
                into: &batch, max: heard.capacity, timeout: clock.remaining(until: end))
            found += batch.compactMap { Self.known($0, names) }
            if found.contains(where: { $0.name == name }) { return found }
        }
        return found
    }

    /// Reads an answer to `$SRV.INFO`. `nil`: it is of another namespace or program.
    static func known(_ answer: [UInt8], _ names: TapeNames) -> Known? {
        guard let said = parsedJSON(answer), let service = said["name"]?.string,
            let about = said["metadata"], about["namespace"]?.string == names.namespace,
            let address = about["operations"]?.string, let colon = address.lastIndex(of: ":"),
            let port = UInt16(address[address.index(after: colon)...])
        else { return nil }
        let given = about["member"]?.string ?? ""
        let host = about["host"]?.string ?? ""
        return Known(
            name: given.isEmpty ? MemberName(host: host, suffix: "\(port)").text : given,
            service: service, host: String(address[..<colon]), port: port)
    }
}
