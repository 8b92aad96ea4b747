/// What a start takes from the starts before it.
extension Stack {
    /// Returns the options with the settings that the stack's data were made with, and in a start
    /// without a person with all of the last start.
    func following(_ known: StackState?, _ options: UpOptions) throws(ToolError) -> UpOptions {
        guard home.hasData, known != nil || options.resumes else { return options }
        let before = known?.arguments ?? []
        var all = options
        // Those of a source are changed with the source.
        var ofSource = StackSettings()
        if options.withServices, !options.addsSource, let source = try source(options, before) {
            ofSource = source.settings
            all.settings = ofSource.merging(options.settings)
            all.withSimulator = source.isSimulated
            terminal.line("as before: ticks of \(source.title)")
        }
        all.settings = try all.settings.following(before, all: options.resumes)
        for (option, word) in zip(before, before.dropFirst()) where option == "--store" {
            try all.add(storeBefore: word)
        }
        for (key, value) in all.settings.values where options.settings[key] == nil {
            let remedy = ofSource[key] == nil ? " (--set \(key)= takes it back)" : ""
            terminal.line("as before: \(key)=\(value)\(remedy)")
        }
        return all
    }

    /// Returns the source with whose settings a start goes on.
    private func source(
        _ options: UpOptions, _ before: [String]
    ) throws(ToolError) -> StackSource? {
        let sources = try StackSources.read(home)
        guard options.resumes else {
            return options.withSimulator ? nil : sources.meant(by: options.settings)
        }
        return sources.resumed(
            by: try options.settings.following(before, all: true),
            isSimulated: options.withSimulator)
    }

    /// Refuses a start without a person of a stack that has no source yet if no provider is named:
    /// one that was removed would come again, with made-up ticks.
    func requireProvider(_ options: UpOptions) throws(ToolError) {
        guard options.withServices, !options.withSimulator,
            options.settings["GATEWAY_PROVIDER"] == nil
        else { return }
        let before = try StackState.read(home)?.arguments ?? []
        let namespace = try options.settings.following(before, all: true).namespace
        guard home.hasData, try !StackSources.read(home).of(namespace: namespace).isEmpty else {
            throw .usage(
                "the stack \(home.name) has no source of ticks to go on with: name its provider, "
                    + "as in PROVIDER=binance (synthetic makes ticks up)")
        }
    }
}
