import Foundation
import Primitives
import TestSupport
import Testing

@testable import ServiceRuntime
@testable import ServiceRuntimeTests

/// The frame as a separate process: signals, exit codes and log lines.
@Suite struct ServiceApplicationTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder("service") }

    private func start(
        _ arguments: [String] = [], environment: [String: String] = [:]
    ) throws -> ChildProcess {
        // The coverage run passes its variables on, so that the fixture's lines are included.
        var inherited = ProcessInfo.processInfo.environment.filter { $0.key.hasPrefix("LLVM_") }
        inherited["LLVM_PROFILE_FILE"] = inherited["LLVM_PROFILE_FILE"].map {
            $0.replacingOccurrences(of: "default", with: "fixture-%p")
        }
        return try ChildProcess(
            executable: try ServiceApplicationTests.fixture(), arguments: arguments,
            environment: inherited.merging(environment) { $1 }, logPath: folder.file("log"))
    }

    /// The fixture is in the folder of the tests' own program.
    private static func fixture() throws -> String {
        let own = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let folder = (own as NSString).deletingLastPathComponent
        return try ServerPrograms.require("\(folder)/ServiceFixture")
    }

    private var log: String { get throws { try textOfFile(folder.file("log")) } }

    /// Returns the event's line once it has been written.
    private func line(_ event: String) throws -> JSONValue {
        var found: JSONValue?
        let isThere = try eventually {
            for line in try log.split(separator: "\n") where line.contains("\"\(event)\"") {
                found = try JSONValue.parse(String(line))
            }
            return found != nil
        }
        #expect(isThere, "no \(event)")
        return try #require(found)
    }

    private func running(_ mode: String) throws -> (child: ChildProcess, port: UInt16) {
        let child = try start(["--fixture-mode", mode])
        let port = try #require(try line("service.started")["ops.port"]?.int)
        return (child, UInt16(port))
    }

    private func get(_ port: UInt16, _ path: String) throws -> (Int, String) {
        let answer = try HTTPProbe.get(
            host: "127.0.0.1", port: port, path: path, timeout: patience)
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }

    @Test("A service starts, answers on its port, stops at SIGTERM in order, and says all of it")
    func wholeLife() throws {
        let (child, port) = try running("wait")
        #expect(try get(port, "/readyz") == (200, "ready\n"))
        #expect(try get(port, "/status").1.contains(#""fixture":{"answer":42}"#))
        let metrics = try get(port, "/metrics").1
        #expect(metrics.contains("process_resident_memory_bytes "))
        let build = #"revision="abc12-dirty",service="fixture",version="1.2.3""#
        #expect(metrics.contains("mds_build_info{\(build)} 1"))
        #expect(child.signal(SIGTERM))
        #expect(child.wait(timeout: .seconds(60)) == .exited(0))
        #expect(try line("service.started")["config.FIXTURE_MODE"]?.string == "wait")
        #expect(try line("service.stopping")["stop.reason"]?.string == "SIGTERM")
        #expect(try line("service.stopped")["exit.code"]?.int == 0)
        #expect(throws: ServiceError.self) { try get(port, "/healthz") }
    }

    @Test("Ctrl-C and a closed terminal are orderly ends, too", arguments: [SIGINT, SIGHUP])
    func otherSignals(signal: Int32) throws {
        let (child, _) = try running("wait")
        #expect(child.signal(signal))
        #expect(child.wait(timeout: .seconds(60)) == .exited(0))
    }

    @Test("A service may read its files again at a hang-up, and ends at SIGTERM as ever")
    func hangup() throws {
        let (child, port) = try running("reload")
        // It is ready when it has logged what a hang-up means.
        #expect(try eventually { try get(port, "/readyz").0 == 200 })
        #expect(child.signal(SIGHUP))
        #expect(try eventually { try get(port, "/readyz").1.contains("read again") })
        #expect(child.signal(SIGHUP) && child.isRunning)
        #expect(child.signal(SIGTERM))
        #expect(child.wait(timeout: .seconds(60)) == .exited(0))
    }

    @Test(
        "A second signal ends the process at once, also while a callback hangs",
        arguments: [
            ("hang", SIGTERM, Int32(143)), ("hang", SIGINT, 130), ("hang-callback", SIGTERM, 143),
        ])
    func secondSignal(mode: String, signal: Int32, code: Int32) throws {
        let (child, port) = try running(mode)
        #expect(child.signal(signal))
        _ = try line("service.stopping")
        #expect(
            try get(port, "/readyz") == (503, "not ready\nservice: stops: \(signalName(signal))\n"))
        #expect(child.signal(signal))
        #expect(child.wait(timeout: .seconds(60)) == .exited(code))
    }

    @Test("A service that does not stop in time is ended, and says so")
    func stuck() throws {
        let (child, _) = try running("stuck")
        #expect(child.signal(SIGTERM))
        #expect(child.wait(timeout: .seconds(60)) == .exited(1))
        #expect(try line("service.stuck")["exit.code"]?.int == 1)
    }

    @Test(
        "A service with a thread that hangs is not alive, says whose, and ends by a code of its own"
    )
    func hung() throws {
        let (child, port) = try running("hung")
        #expect(try eventually { try get(port, "/healthz").0 == 503 })
        #expect(try get(port, "/healthz").1.hasPrefix("not alive\nthread work: no sign of life"))
        #expect(try get(port, "/metrics").1.contains("mds_threads_hung 1\n"))
        #expect(try get(port, "/status").1.contains(#""thread":"work","silentSeconds":"#))
        #expect(child.wait(timeout: .seconds(60)) == .exited(80))
        #expect(try line("service.thread.hung")["thread"]?.string == "work")
        #expect(try line("service.hung")["exit.code"]?.int == 80)
    }

    @Test("A process that is stopped for longer than its threads' limit accuses none of them")
    func stopped() throws {
        let (child, port) = try running("beats")
        #expect(child.signal(SIGSTOP))
        // Its threads may answer once more before all are stopped. Then one request stays
        // unanswered for longer than the limit.
        #expect(
            eventually {
                do throws(ServiceError) {
                    _ = try HTTPProbe.get(
                        host: "127.0.0.1", port: port, path: "/healthz", timeout: .seconds(4))
                    return false
                } catch {
                    return true
                }
            })
        #expect(child.signal(SIGCONT))
        #expect(try get(port, "/healthz") == (200, "alive\n"))
        #expect(try !log.contains("service.thread"))
        #expect(child.signal(SIGTERM))
        #expect(child.wait(timeout: .seconds(60)) == .exited(0))
    }

    @Test("A process without descriptors still answers: slow connections go for it")
    func descriptorShortage() throws {
        let child = try ChildProcess(
            executable: "/bin/sh",
            arguments: ["-c", "ulimit -n 24; exec \"$0\"", try ServiceApplicationTests.fixture()],
            environment: [:], logPath: folder.file("log"))
        let port = UInt16(try #require(try line("service.started")["ops.port"]?.int))
        let slow = try (0..<50).map { _ in
            let client = try RawClient(port: port)
            client.send("GET /metr")
            return client
        }
        #expect(try get(port, "/healthz").0 == 200)
        #expect(eventually { slow.contains(where: \.isClosedByServer) })
        let metrics = try get(port, "/metrics").1
        #expect(metrics.contains("process_max_fds 24\n"))
        let cut = metrics.split(separator: "\n")
            .first { $0.hasPrefix("mds_operations_connections_cut_total ") }
        #expect(cut != nil && cut?.hasSuffix(" 0") == false)
        child.signal(SIGTERM)
        #expect(child.wait(timeout: .seconds(60)) == .exited(0))
    }

    @Test(
        "A crash writes no memory into a core file, unless the setting allows it",
        arguments: [false, true])
    func coreDumps(isAllowed: Bool) throws {
        let child = try ChildProcess(
            executable: "/bin/sh",
            arguments: [
                "-c", "ulimit -S -c $(ulimit -H -c); exec \"$0\" --ops-core-dumps=\(isAllowed)",
                try ServiceApplicationTests.fixture(),
            ],
            environment: [:], logPath: folder.file("log"))
        _ = try line("service.started")
        func file(_ name: String) throws -> String {
            try textOfFile("/proc/\(child.id)/\(name)")
        }
        let limits = try file("limits").split(separator: "\n").first {
            $0.hasPrefix("Max core file size")
        }
        let words = try #require(limits).split(separator: " ").dropFirst(4).prefix(2)
        let own = try textOfFile("/proc/self/limits").split(separator: "\n").first {
            $0.hasPrefix("Max core file size")
        }
        let hard = try #require(own).split(separator: " ").dropFirst(5).first ?? ""
        #expect(Array(words) == (isAllowed ? [hard, hard] : ["0", "0"]))
        #expect(try file("coredump_filter") == (isAllowed ? "00000033\n" : "00000000\n"))
        #expect(child.signal(SIGTERM))
        #expect(child.wait(timeout: .seconds(60)) == .exited(0))
    }

    @Test("An error that escapes the body is one log line and an exit code, no trap")
    func failure() throws {
        let child = try start(["--fixture-mode=fail"])
        #expect(child.wait(timeout: .seconds(60)) == .exited(1))
        let text = try line("service.failed")["message"]?.string
        #expect(text == "the disk is full and a second line")
    }

    @Test("The body's exit code is the process's")
    func exitCode() throws {
        let child = try start(["--fixture-mode=temporary"])
        #expect(child.wait(timeout: .seconds(60)) == .exited(75))
        #expect(try line("service.stopping")["stop.reason"]?.string == "its work is done")
    }

    @Test("A port in use is one line that names the port and the key")
    func portInUse() throws {
        let (first, port) = try running("wait")
        let other = try TemporaryFolder("service")
        let second = try ChildProcess(
            executable: try ServiceApplicationTests.fixture(),
            arguments: ["--ops-port", "\(port)"], environment: [:], logPath: other.file("log"))
        #expect(second.wait(timeout: .seconds(60)) == .exited(1))
        let text = try textOfFile(other.file("log"))
        #expect(text.split(separator: "\n").count == 1)
        #expect(text.contains("operations port \(port) on 127.0.0.1 is in use"))
        #expect(text.contains("OPS_PORT"))
        // A subcommand runs beside the service, so it must not need the port.
        let once = try ChildProcess(
            executable: try ServiceApplicationTests.fixture(),
            arguments: ["once", "--ops-port", "\(port)"], environment: [:],
            logPath: other.file("once"))
        #expect(once.wait(timeout: .seconds(60)) == .exited(0))
        first.signal(SIGTERM)
        #expect(first.wait(timeout: .seconds(60)) == .exited(0))
    }

    @Test("An address that is none is a mistake of the configuration")
    func badAddress() throws {
        let child = try start(["--ops-address", "example.org"])
        #expect(child.wait(timeout: .seconds(60)) == .exited(64))
        #expect(try line("service.failed")["message"]?.string?.contains("'example.org'") == true)
    }

    @Test("A bad configuration is told completely, one line per problem, with exit code 64")
    func badConfiguration() throws {
        let child = try start(
            ["--ops-port", "x", "--fixture-mod", "wait"], environment: ["LOG_LEVEL": "loud"])
        #expect(child.wait(timeout: .seconds(60)) == .exited(64))
        let lines = try log.split(separator: "\n")
        #expect(lines.count == 4)
        #expect(lines.allSatisfy { $0.hasPrefix("fixture: ") })
        #expect(lines.last?.contains("3 problems") == true)
    }

    @Test(
        "What is only printed ends with 0 and starts nothing",
        arguments: [
            ("--version", "fixture 1.2.3 (abc12-dirty)\n"), ("--help", "Shows how services run."),
            ("--print-config", "OPS_PORT"), ("--check-config", ""),
        ])
    func prints(flag: String, text: String) throws {
        let child = try start([flag])
        #expect(child.wait(timeout: .seconds(60)) == .exited(0))
        #expect(text.isEmpty ? try !log.isEmpty : try log.contains(text))
        #expect(try !log.contains("service.started"))
    }
}
