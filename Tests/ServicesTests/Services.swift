import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import Cockpit
@testable import OperatorWorker
@testable import ProviderGateway
@testable import StoreWriter

/// The services' own descriptions, and the files beside them.
struct Service: Sendable, CustomTestStringConvertible {
    let description: ServiceDescription

    /// Each has an image, a package and manifests.
    static let all = recorders + [Service(description: Cockpit.Main.description)]
    /// Those on the way of the data, which share it and stand by for each other.
    static let recorders = [
        Service(description: ProviderGateway.Main.description),
        Service(description: OperatorWorker.Main.description),
        Service(description: StoreWriter.Main.description),
    ]

    var testDescription: String { description.name }
    /// The port of operations, as it is by default.
    var port: String? { description.keys.first { $0.name == "OPS_PORT" }?.defaultValue }
    var folder: String { "\(ServerPrograms.checkout)/services/\(description.name)" }

    func text(of file: String) throws -> String {
        try String(contentsOfFile: "\(folder)/\(file)", encoding: .utf8)
    }
}
