internal import NatsTransport
internal import Primitives
package import ServiceRuntime
internal import TapeProtocol

extension TapeClient {
    /// The wait between two tries to reach NATS: the first, and the longest.
    static let retryFirst = Duration.milliseconds(100)
    static let retryMax = Duration.seconds(2)

    /// Connects, and calls `prepare`, which ensures that the service's streams exist. Every service
    /// calls this at its start. While NATS or a stream is missing, or the server refuses a password
    /// that has a successor, it blocks, tries again with a backoff, and sets the service not ready,
    /// with the reason. Returns `nil` when the service has to stop meanwhile. Throws when waiting
    /// cannot help.
    package static func open(
        _ settings: TapeSettings, context: ServiceContext,
        prepare: (TapeClient) throws(TapeError) -> Void
    ) throws(TapeError) -> TapeClient? {
        var backoff = Backoff(first: retryFirst, limit: retryMax)
        var random = SystemRandomNumberGenerator()
        let readiness = context.readiness
        readiness.set(ReadinessPart.nats, "not connected yet")
        context.telemetry.metrics.reading(
            "mds_nats_connected", "1 while NATS can be used, else 0",
            "0: `/readyz` has the reason"
        ) { readiness.works(ReadinessPart.nats) ? 1 : 0 }
        while !context.shutdown.isRequested {
            var connected: TapeClient?
            do throws(TapeError) {
                let client = try TapeClient(
                    settings.nats, names: settings.names, telemetry: context.telemetry,
                    readiness: context.readiness)
                connected = client
                try prepare(client)
                try client.admitServer()
                try client.announce(announcement(settings, context, client))
                readiness.set(ReadinessPart.nats, nil)
                return client
            } catch {
                connected?.close()
                guard mayPass(error, settings.nats) else { throw error }
                readiness.set(ReadinessPart.nats, "\(error)")
                context.telemetry.emit(.tapeNotThere(reason: "\(error)"))
            }
            if context.shutdown.wait(timeout: backoff.next(using: &random)) { return nil }
        }
        return nil
    }

    /// Returns whether another try may succeed. While a password is changed, its file may have the
    /// new one before the server has it, or after that: so the file is read again.
    private static func mayPass(_ error: TapeError, _ nats: NatsConfiguration) -> Bool {
        guard case .nats(.authenticationFailed) = error, nats.mayRenew else {
            return error.isRetryable
        }
        if let password = nats.renewable { _ = password.renew(refused: password.value) }
        return true
    }

    /// Returns what the tools that list NATS services show about this one.
    private static func announcement(
        _ settings: TapeSettings, _ context: ServiceContext, _ client: TapeClient
    ) -> ServiceAnnouncement {
        var address = context.operations.address
        // What listens on all addresses is reached where it reaches NATS from.
        if ["0.0.0.0", "::"].contains(address) {
            address = client.connection.localAddress ?? address
        }
        // Who is in no group has no such key.
        let hasName = context.service.keys.contains { $0.name == "MDS_MEMBER" }
        let member = hasName ? context.configuration.optionalText("MDS_MEMBER") : nil
        return ServiceAnnouncement(
            name: context.service.name, version: context.service.version,
            summary: context.service.summary,
            metadata: [
                "namespace": settings.names.namespace,
                "operations": "\(address):\(context.operations.port)",
                "host": HostName.own,
                "member": member ?? "",
                "revision": context.service.revision,
            ], started: context.clock.now())
    }
}

extension ServiceEvent {
    /// A try to open the tape that failed.
    static func tapeNotThere(reason: String) -> Self {
        Self(.warning, "tape.unavailable", "waiting for the tape: \(reason)").counting(
            "mds_tape_unavailable_total",
            "an attempt to open the tape that failed; further attempts follow",
            "`/status` names what is missing")
    }

    /// A request of the NATS service protocol to this process, and its answer.
    static func questionAnswered(question: ServiceQuestion, failure: NatsError?) -> Self {
        Self(
            failure == nil ? .debug : .warning, "nats.service.asked",
            failure.map { "cannot say who this is: \($0)" } ?? "said who this is",
            ("question", .text(question.rawValue))
        ).counting(
            "mds_nats_service_questions_total", "questions of the NATS service protocol (`$SRV`)",
            "failed: see the event `nats.service.asked`",
            by: "question: ping, info, stats; result: answered, failed",
            labels: [
                ("question", question.rawValue.lowercased()),
                ("result", failure == nil ? "answered" : "failed"),
            ])
    }
}
