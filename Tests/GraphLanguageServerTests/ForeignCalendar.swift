import Foundation

/// PyPI's exchange_calendars, in a Python environment that is made once per checkout.
enum ForeignCalendar {
    private static let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private static let folder = tests.deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent(".local/python/exchange_calendars")

    /// Returns day, open and close per session. `nil`, with a printed reason, if the package is not
    /// available here.
    static func sessions(_ calendar: String, from: String, to: String) throws -> [String]? {
        let script = tests.appendingPathComponent("nyse_sessions.py").path
        let own = folder.appendingPathComponent("bin/python3").path
        for python in ["python3", own] {
            let (status, output) = try run([python, script, calendar, from, to])
            if status == 0 { return output.split(separator: "\n").map(String.init) }
        }
        guard try install() else {
            print("exchange_calendars cannot be had from PyPI here: nothing was compared")
            return nil
        }
        let (status, output) = try run([own, script, calendar, from, to])
        if status == 0 { return output.split(separator: "\n").map(String.init) }
        struct Failed: Error { let status: Int32 }
        throw Failed(status: status)
    }

    private static func install() throws -> Bool {
        guard try run(["python3", "-m", "venv", folder.path]).status == 0 else { return false }
        let pip = folder.appendingPathComponent("bin/pip").path
        return try run(
            [
                pip, "install", "--quiet", "--disable-pip-version-check", "--retries", "1",
                "exchange_calendars>=4.5",
            ]
        ).status == 0
    }

    private static func run(_ words: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = words
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(bytes: data, encoding: .utf8) ?? "")
    }
}
