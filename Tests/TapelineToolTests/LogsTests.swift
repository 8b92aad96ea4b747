import Foundation
import Synchronization
import ServiceRuntime
import TestSupport
import Testing

@testable import TapelineTool

@Suite("What processes say, in the order of time") struct LogsTests {
    @Test(
        "a line becomes words, whoever wrote it",
        arguments: [
            (
                #"{"ts":"2026-11-22T11:00:00.123456789Z","level":"warning","service":"w","#
                    + #""event":"a.b","message":"it waits","reason":"no room","tries":3,"#
                    + #""on":true}"#,
                "2026-11-22 11:00:00.123", LogLevel.warning,
                "it waits reason='no room' tries=3 on=true"
            ),
            (
                "[4242] 2026/11/22 11:00:00.5 [INF] Server is ready", "2026-11-22 11:00:00.500",
                nil, "[4242] 2026/11/22 11:00:00.5 [INF] Server is ready"
            ),
            (
                "2026-11-22 11:00:01 UTC [7] LOG:  ready", "2026-11-22 11:00:01.000", nil,
                "2026-11-22 11:00:01 UTC [7] LOG:  ready"
            ),
            ("{\"message\":", "", nil, "{\"message\":"),
            ("a\u{1B}[31mred\u{7}", "", nil, "a[31mred"),
        ] as [(String, String, LogLevel?, String)])
    func entry(line: String, time: String, level: LogLevel?, text: String) {
        #expect(
            LogEntry(process: "p", line: line)
                == LogEntry(process: "p", time: time, level: level, text: text))
    }

    @Test("a line without a time stays behind the one before it, in its process")
    func merged() {
        func entry(_ process: String, _ time: String, _ text: String) -> LogEntry {
            LogEntry(process: process, time: time, level: nil, text: text)
        }
        let entries = [
            entry("a", "", "first of a"), entry("a", "3", "a3"), entry("a", "", "a3 goes on"),
            entry("b", "2", "b2"), entry("b", "4", "b4"), entry("c", "3", "c3"),
        ]
        #expect(
            entries.merged().map(\.text)
                == ["first of a", "b2", "a3", "a3 goes on", "c3", "b4"])
    }

    @Test("options say whose lines, how many and of which level; a wrong word is told")
    func words() throws {
        #expect(
            try LogsCommand.parse(["-f", "nats-server", "--last", "3", "--level", "error"])
                == LogsCommand(processes: ["nats-server"], last: 3, follows: true, level: .error))
        let logs = ["operator-worker-a", "operator-worker-b", "nats-server"].map {
            (process: $0, path: "")
        }
        let both = try LogsCommand(processes: ["operator-worker"]).chosen(logs)
        #expect(both.map(\.process) == ["operator-worker-a", "operator-worker-b"])
        #expect(
            complaint { try LogsCommand(processes: ["nats-sever"]).chosen(logs) }.contains(
                "did you mean nats-server?"))
    }

    @Test("the last lines, then each line once as it is written, also when the log begins anew")
    func follow() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write((1...50).map { "line \($0)\n" }.joined(), to: "a.log")
        var reader = LogReader(process: "a", path: path)
        #expect(reader.last(3).map(\.text) == ["line 48", "line 49", "line 50"])
        #expect(reader.added().isEmpty)
        let log = try #require(FileHandle(forWritingAtPath: path))
        try log.seekToEnd()
        try log.write(contentsOf: Data("half a".utf8))
        #expect(reader.added().isEmpty)
        try log.write(contentsOf: Data(" line\nnext\n".utf8))
        #expect(reader.added().map(\.text) == ["half a line", "next"])
        try log.truncate(atOffset: 0)
        try log.write(contentsOf: Data("anew\n".utf8))
        #expect(reader.added().map(\.text) == ["anew"])
        let long = String(repeating: "x", count: 100) + "\n"
        _ = try folder.write(String(repeating: long, count: 20_000) + "end\n", to: "a.log")
        var whole = LogReader(process: "a", path: path)
        #expect(whole.last(2).map(\.text) == [String(long.dropLast()), "end"])
    }

    @Test("the command goes on with what comes, until it is to end")
    func command() throws {
        let folder = try TemporaryFolder()
        let checkout = Checkout(root: folder.path, programs: folder.path)
        let output = try folder.write("", to: "output")
        let file = try #require(FileHandle(forUpdatingAtPath: output))
        let stack = try Stack(
            checkout: checkout, name: "default",
            terminal: Terminal(output: file.fileDescriptor, errors: file.fileDescriptor))
        try stack.home.makeFolders()
        for (name, time) in [("b", "11:00:01"), ("a", "11:00:02")] {
            try FileSystem.write(
                Array("2026-11-22 \(time) said by \(name)\n".utf8), to: stack.home.log(name))
        }
        let shutdown = ShutdownSignal()
        let ended = Mutex<ExitCode?>(nil)
        let thread = try ServiceThread(name: "logs") {
            do throws(ToolError) {
                let code = try LogsCommand(follows: true).run(stack) { shutdown }
                ended.withLock { $0 = code }
            } catch {
                Issue.record("\(error)")
            }
        }
        func printed() throws -> String { try String(contentsOfFile: output, encoding: .utf8) }
        #expect(try eventually { try printed().contains("said by a") })
        let log = try #require(FileHandle(forWritingAtPath: stack.home.log("b")))
        try log.seekToEnd()
        try log.write(contentsOf: Data("2026-11-22 11:00:03 said later\n".utf8))
        #expect(try eventually { try printed().contains("said later") })
        shutdown.request("the test is over")
        thread.join()
        #expect(ended.withLock { $0 } == .success)
        let order = try printed().split(separator: "\n").map { $0.split(separator: " ")[0] }
        #expect(order == ["11:00:01.000", "11:00:02.000", "11:00:03.000"])
    }
}
