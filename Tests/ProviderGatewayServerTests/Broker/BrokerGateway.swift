import Foundation
import Primitives
import ServiceRuntime
import TestSupport

@testable import ProviderGatewayTests

/// `provider-gateway` as a process, with its status, metrics and log.
final class BrokerGateway {
    struct Silent: Error, CustomStringConvertible {
        let description: String
    }

    static let source = "broker"

    private let process: ServerProcess
    private let port: UInt16

    init(_ environment: [String: String], log: String) throws {
        let process = try ServerProcess(
            ProductPrograms.path("provider-gateway"), [],
            environment: [
                "GATEWAY_PROVIDER": "ibkr", "GATEWAY_SOURCE": Self.source, "GATEWAY_LIVE": "false",
                "OPS_PORT": "0", "LOG_FORMAT": "json", "IBKR_CONNECT_TIMEOUT": "1s",
            ].merging(ProductPrograms.profile("provider-gateway")) { $1 }
                .merging(environment) { $1 }, logPath: log)
        self.process = process
        var found: UInt16?
        _ = eventually(within: 30) {
            found = Self.event("service.started", in: process.log)?["ops.port"]?.int
                .map { UInt16(clamping: $0) }
            return found != nil || !process.isRunning
        }
        guard let found else {
            throw Silent(description: "provider-gateway has no port:\n\(process.log)")
        }
        port = found
    }

    var log: String { process.log }
    var isRunning: Bool { process.isRunning }
    func signal(_ number: Int32) { process.signal(number) }
    func kill() { process.stop(SIGKILL) }
    /// Sends SIGTERM and returns the exit code.
    func stop() -> Int32 { process.stop() }

    /// The connection to TWS in `/status`; `nil` when there is none yet, or no answer.
    var connection: JSONValue? { status?.at("gateway", "providers", "ibkr") }

    var status: JSONValue? { fetch("/status").flatMap { try? JSONValue.parse($0) } }

    private func fetch(_ path: String) -> String? {
        let answer = try? HTTPProbe.get(
            host: "127.0.0.1", port: port, path: path, timeout: .seconds(5))
        return answer.map { String(decoding: $0.body, as: UTF8.self) }
    }

    /// Returns a sample of `/metrics`; `labels` are written as they are there.
    func metric(_ name: String, _ labels: String = "") -> Double? {
        let lines = fetch("/metrics")?.split(separator: "\n") ?? []
        let line = lines.first { $0.hasPrefix(name) && (labels.isEmpty || $0.contains(labels)) }
        return line?.split(separator: " ").last.flatMap { Double($0) }
    }

    /// Whether every feed delivers, or has delivered its document.
    var hasAllFeeds: Bool {
        guard let connection, connection["state"]?.string == "ready",
            connection["open_outages"]?.int == 0,
            let instruments = connection["instruments"]?.array, !instruments.isEmpty
        else { return false }
        return instruments.allSatisfy { instrument in
            instrument["feeds"]?.array?.allSatisfy {
                ["live", "done"].contains($0["state"]?.string)
            } == true
        }
    }

    /// The feeds that do not deliver, as a text for a person.
    var missingFeeds: String {
        guard let connection else { return "no status" }
        var lines = ["\(connection["state"]?.string ?? "?") \(connection["reason"]?.string ?? "")"]
        for instrument in connection["instruments"]?.array ?? [] {
            for feed in instrument["feeds"]?.array ?? [] where feed["state"]?.string != "live" {
                let words = ["feed", "state", "reason"].compactMap { feed[$0]?.string }
                lines.append("\(instrument["symbol"]?.string ?? "?"): \(words)")
            }
        }
        return lines.joined(separator: "\n")
    }

    /// The resident memory, in bytes.
    var residentBytes: Int? {
        let path = "/proc/\(process.id)/status"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 1_024 }
    }

    // MARK: the log

    static func event(_ name: String, in log: String) -> JSONValue? {
        events(in: log).first { $0["event"]?.string == name }
    }

    static func events(in log: String) -> [JSONValue] {
        log.split(separator: "\n").compactMap { try? JSONValue.parse(String($0)) }
    }

    var events: [JSONValue] { Self.events(in: log) }
}
