import Glibc
import Primitives
import ServiceRuntime

/// A service that does only what a test requests: the frame of the real services as a separate
/// process, with real signals.
@main
enum ServiceFixture {
    struct Broken: Error, CustomStringConvertible {
        let description = "the disk is full\nand a second line"
    }

    static let description = ServiceDescription(
        name: "fixture", version: "1.2.3", revision: "abc12-dirty",
        summary: "Shows how services run.",
        keys: [
            ConfigurationKey(
                "FIXTURE_MODE",
                .choice([
                    "wait", "hang", "stuck", "hang-callback", "fail", "temporary", "reload", "hung",
                    "beats",
                ]),
                default: "wait", group: "Fixture", "What to do.")
        ] + ConfigurationKey.operations(port: 0) + ConfigurationKey.logging,
        subcommands: [.init("once", "Does its work and ends.")])

    static func main() {
        // Long for tests that send a second signal, short for tests that wait for the end.
        let isStuck = CommandLine.arguments.contains("stuck")
        let stopTimeMax = isStuck ? Duration.milliseconds(300) : .seconds(120)
        ServiceApplication.run(
            description, stopTimeMax: stopTimeMax, hungTimeMax: .seconds(2)
        ) { context in
            if context.configuration.subcommand == "once" { return .success }
            context.operations.addStatusSection("fixture") { $0.member("answer", 42) }
            let mode = context.configuration.text("FIXTURE_MODE")
            if mode != "reload" { context.readiness.set("fixture", nil) }
            switch mode {
            case "fail": throw Broken()
            case "temporary": return .temporary
            case "reload":
                context.shutdown.onHangup { context.readiness.set("fixture", "read again") }
                context.readiness.set("fixture", nil)
                while !context.shutdown.wait(timeout: .seconds(60)) {}
                return .success
            case "beats":
                let beat = context.threads.thread("work", within: .seconds(2))
                defer { beat.retire() }
                while !context.shutdown.wait(timeout: .milliseconds(50)) { beat.beat() }
                return .success
            case "hung":
                let beat = context.threads.thread("work", within: .zero)
                defer { beat.retire() }
                while true { poll(nil, 0, 1_000) }
            case "hang", "stuck":
                while true { poll(nil, 0, 1_000) }
            case "hang-callback":
                context.shutdown.onRequest { while true { poll(nil, 0, 1_000) } }
                while true { poll(nil, 0, 1_000) }
            default:
                while !context.shutdown.wait(timeout: .seconds(60)) {}
                return .success
            }
        }
    }
}
