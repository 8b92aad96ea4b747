import Primitives
import ServiceRuntime
import TapeTransport

/// The service as a function. The program in `services/cockpit/Program` calls it.
package enum Main {
    /// Runs the service until its end.
    package static func run() -> Never {
        ServiceApplication.run(description) { try run($0) }
    }

    static let description = ServiceDescription(
        name: "cockpit", version: ProductVersion.text,
        summary: "Shows a deployment in the browser: whether all is well, and what is missing.",
        keys: CockpitSettings.keys,
        rules: [.tape, .postgresTLS] + CockpitSettings.rules,
        questions: [People.question],
        examples: [
            ServiceDescription.Example(
                "cockpit --cockpit-port 8080", "Serves the pages at http://127.0.0.1:8080/."),
            ServiceDescription.Example(
                "cockpit --new-person alice",
                "Prints a token for alice, and the line that lets her act."),
        ])

    /// Runs the collector and the pages. Blocks until its end.
    static func run(_ context: ServiceContext) throws -> ExitCode {
        try run(context) { _ in }
    }

    /// `onOpen` gets the port of the pages when they can be asked for.
    static func run(_ context: ServiceContext, onOpen: (UInt16) -> Void) throws -> ExitCode {
        let tape = try TapeSettings(context.configuration)
        let settings = try CockpitSettings(context.configuration)
        var random = SystemRandomNumberGenerator()
        let feed = try EventFeed(instance: String(random.next(), radix: 36))
        let collector = Collector(settings, context, feed)
        var gate = settings.gate
        if settings.isOnHostLoopback {
            gate.hostGateway = try HostGateway.find(ConfigurationFiles.read)
        }
        let site = Site(
            gate, context, collector.audience,
            .init(actions: collector.desks.actions, asked: collector.desks.asked)
        ) { path, parameters, now in
            collector.answer(path, parameters, at: now)
        }
        let server = try WebServer(
            address: settings.address, port: settings.port, limits: CockpitLimits.connections,
            admission: Site.admission(personHeader: gate.personHeader), feed: feed,
            certificate: certificate(settings, context)
        ) { site.answer($0) }
        defer { server.stop() }
        show(server, feed, in: context.telemetry.metrics)
        if settings.certificate != nil {
            // Its file may have another one, which cannot be used.
            context.telemetry.metrics.addCertificate(of: certificateKey) {
                [weak server] in server?.certificateEnd
            }
        }
        let host = settings.address.contains(":") ? "[\(settings.address)]" : settings.address
        let scheme = settings.certificate == nil ? "http" : "https"
        context.telemetry.emit(
            .pagesServed(address: "\(scheme)://\(host):\(server.port)\(settings.gate.path)/"))
        onOpen(server.port)
        let threads = try collector.startThreads(tape)
        defer { collector.close() }
        let code = collector.run()
        let end = context.clock.deadline(after: CockpitLimits.endTimeout)
        for thread in threads where !thread.join(timeout: context.clock.remaining(until: end)) {
            context.leaveThreadBehind()
        }
        return code
    }

    private static let certificateKey = "COCKPIT_TLS_CERTIFICATE"

    private static func certificate(
        _ settings: CockpitSettings, _ context: ServiceContext
    ) -> WebCertificate? {
        guard let certificate = settings.certificate,
            let path = context.configuration.optionalText(certificateKey),
            let key = context.configuration.optionalText("COCKPIT_TLS_KEY")
        else { return nil }
        return certificate.following(path, key: key) {
            context.telemetry.emit(.certificateKept(path: path))
        }
    }

    private static func show(
        _ server: WebServer, _ feed: EventFeed, in metrics: MetricRegistry
    ) {
        metrics.reading(
            "mds_cockpit_watchers", "a stream of events: one for each browser that looks",
            "near 64: further browsers are refused"
        ) {
            [weak feed] in feed.map { Double($0.watchers) }
        }
        metrics.countReading(
            "mds_cockpit_connections_total", "a connection to the pages"
        ) { [weak server] in server.map { Double($0.acceptedConnections) } }
        metrics.countReading(
            "mds_cockpit_connections_cut_total",
            "a connection to the pages that a limit or deadline ended",
            "often: a client reads too slowly, or attacks"
        ) { [weak server] in server.map { Double($0.cutConnections) } }
    }
}
