import Foundation
import TestSupport
import Testing

@testable import IBSimulatorTests

@Suite("The program ibkr-simulator")
struct ProgramTests {
    @Test("it serves a client over a socket, takes commands and ends in good order")
    func serves() throws {
        let simulator = try SimulatorProcess(["--rate", "500", "--market-log", "/dev/null"])
        let client = try PlainConnection(port: simulator.port)
        try client.send(
            Bench.greeting("v157..187") + Bench.frame(["71", "2", "3", ""])
                + Bench.frame(["97", "9"] + Bench.stock("SPY") + ["AllLast", "0", "0"]))
        let bytes = try client.receive { $0.count > 2_000 }
        #expect(String(decoding: bytes.dropFirst(4).prefix(3), as: UTF8.self) == "187")
        #expect(try simulator.command("byte-at-a-time on") == "ok")
        #expect(try simulator.command("nonsense").hasPrefix("error: not understood"))
        #expect(try simulator.command("close") == "ok")
        // The last bytes arrive, and then the end of the connection.
        _ = try client.receive { _ in false }
        #expect(try simulator.command("quit") == "ok")
        #expect(simulator.stop() == 0)
    }

    @Test("it crashes on command, and its log has all that a client got")
    func crashes() throws {
        let simulator = try SimulatorProcess(["--rate", "2000"])
        let client = try PlainConnection(port: simulator.port)
        try client.send(
            Bench.greeting("v157..187") + Bench.frame(["71", "2", "3", ""])
                + Bench.frame(["97", "9"] + Bench.stock("SPY") + ["AllLast", "0", "0"]))
        var got = try client.receive { $0.count > 20_000 }
        #expect(try simulator.command("crash") == "ok")
        got += try client.receive { _ in false }
        #expect(simulator.waitUntilExit() == SIGKILL)
        let ticks = try simulator.truth().filter { $0.kind == "tickByTick" }
        let last = try #require(ticks.last).fields.joined(separator: "\0")
        let text = String(decoding: got, as: UTF8.self)
        #expect(text.contains(last))
        #expect(ticks.count == text.split(separator: "99\09\02\0").count - 1)
    }

    @Test("--tell gives a running simulator a command, and ends as the answer says")
    func tells() throws {
        let simulator = try SimulatorProcess()
        let program = try ProductPrograms.path("ibkr-simulator")
        let environment = ProductPrograms.profile("ibkr-simulator")
        func tell(_ command: String, _ port: UInt16) throws -> String {
            try run(
                program, ["--control-port", "\(port)", "--tell", command],
                environment: environment)
        }
        #expect(try tell("status", simulator.controlPort).hasPrefix("ok: 0 connections"))
        let refused = #expect(throws: ProgramFailure.self) {
            try tell("nonsense", simulator.controlPort)
        }
        #expect(refused?.status == 1)
        simulator.stop()
        let nobody = #expect(throws: ProgramFailure.self) {
            try tell("status", simulator.controlPort)
        }
        #expect(nobody?.status == 69)
        #expect(nobody?.message.contains("no simulator answers") == true)
    }

    @Test("help and version are for people; a wrong flag is told and ends with 64")
    func arguments() throws {
        let complaints = try ProductPrograms.complaints(
            "ibkr-simulator", help: ["--truth FILE", "nightly-reset"],
            wrong: [
                (["--port", "70000"], "from 0 to 65535"), (["--prot", "1"], "is no flag"),
                (["now"], "is no flag"), (["--seed"], "wants a value"),
                (["--symbols", "A,A"], "each once"),
                (["--server-version", "201"], "from 157 to 187"),
                (["--instruments", "4901"], "from 0 to 4900"),
            ])
        #expect(complaints.isEmpty)
        let version = try run(
            ProductPrograms.path("ibkr-simulator"), ["--version"],
            environment: ProductPrograms.profile("ibkr-simulator"))
        #expect(version.contains(/^ibkr-simulator [0-9.]+ \((unknown|[0-9a-f]+(-dirty)?)\)$/))
    }

    @Test("a port in use and a log that cannot be written are told")
    func troubles() throws {
        let program = try ProductPrograms.path("ibkr-simulator")
        let environment = ProductPrograms.profile("ibkr-simulator")
        let first = try SimulatorProcess()
        let busy = #expect(throws: ProgramFailure.self) {
            try run(program, ["--port", String(first.port)], environment: environment)
        }
        #expect(busy?.status == 75)
        let log = #expect(throws: ProgramFailure.self) {
            try run(program, ["--port", "0", "--truth", "/proc/none"], environment: environment)
        }
        #expect(log?.status == 74)
    }
}
