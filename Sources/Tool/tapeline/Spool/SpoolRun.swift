import ServiceRuntime

/// Carries out `tapeline spool list`.
struct SpoolRun {
    let terminal: Terminal

    func list(_ place: SpoolPlace, asJSON: Bool) throws(ToolError) -> ExitCode {
        let table = try SpoolTable.read(Self.folder(place))
        terminal.show(table.lines, json: table.json(), asJSON)
        return .success
    }

    static func folder(_ place: SpoolPlace) throws(ToolError) -> String {
        try place.path(ConfigurationFiles.environment(), executable: Checkout.ownExecutable())
    }
}
