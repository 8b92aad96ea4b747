internal import Foundation
import Primitives
import ServiceRuntime
import TestSupport

/// The shipped gateway with its shipped packet budget, on a server that syncs every write.
enum GatewayRun {
    private static let seconds = 10.0
    private static let startNanoseconds: Int64 = 20_000_000_000

    /// Returns the share of one core that the gateway takes at this rate of ticks. With `live` it
    /// also publishes each tick over core NATS.
    static func processorShare(ticksPerSecond: Int, live: Bool) throws -> Double {
        let server = try NatsServer(syncInterval: "always")
        let folder = try TemporaryFolder("gateway")
        let port = freePort()
        let process = try ChildProcess(
            executable: try ProductPrograms.path("provider-gateway"), arguments: [],
            environment: [
                "NATS_URL": server.url, "OPS_PORT": "\(port)", "LOG_LEVEL": "error",
                "SYNTHETIC_RATE": "\(ticksPerSecond)", "GATEWAY_LIVE": "\(live)",
            ], logPath: folder.file("log"), options: .endsWithParent)
        defer { process.stop() }
        let clock = SystemClock()
        let deadline = clock.monotonic().nanoseconds + startNanoseconds
        while !isUp(port) {
            guard process.isRunning, clock.monotonic().nanoseconds < deadline else {
                throw Stage.Unusable("the gateway does not start: \(try text(folder.file("log")))")
            }
            usleep(50_000)
        }
        let before = (
            time: clock.monotonic().nanoseconds, used: try used(process.id), try ticks(port)
        )
        usleep(useconds_t(seconds * 1e6))
        let after = (
            time: clock.monotonic().nanoseconds, used: try used(process.id), try ticks(port)
        )
        let elapsed = Double(after.time - before.time) / 1e9
        let rate = Double(after.2 - before.2) / elapsed
        guard rate > Double(ticksPerSecond) * 0.95 else {
            throw Stage.Unusable("the gateway made only \(Int(rate)) ticks/s")
        }
        return (after.used - before.used) / elapsed
    }

    private static func isUp(_ port: UInt16) -> Bool {
        do {
            let answer = try HTTPProbe.get(
                host: "127.0.0.1", port: port, path: "/readyz", timeout: .seconds(2))
            return answer.status == 200
        } catch {
            return false
        }
    }

    private static func ticks(_ port: UInt16) throws -> UInt64 {
        let answer = try HTTPProbe.get(
            host: "127.0.0.1", port: port, path: "/status", timeout: .seconds(2))
        return try JSONValue.parse(answer.body).at("gateway", "generated")?.uint64 ?? 0
    }

    /// Returns seconds of processor time, from the kernel's clock ticks.
    private static func used(_ process: Int32) throws -> Double {
        let fields =
            try text("/proc/\(process)/stat").split(separator: ")").last?.split(separator: " ")
            ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12])
        else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
