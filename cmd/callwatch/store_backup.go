package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"callwatch/cmd/callwatch/internal/cli"
	"callwatch/stream"
)

func storeBackupCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use: "backup FILE", Short: "Write the whole store to a file, while webhooks are taken", Args: cobra.ExactArgs(1),
		Long: "Write all that is stored to a zip file: webhooks, events, incidents, what was announced, the state of the rules.\n" +
			"Every webhook that was answered before the command began is in it. A file of that name is replaced once the\n" +
			"new one is complete. It holds phone numbers; keep it as safe as the data directory. " + workHelp,
		Example: "  callwatch store backup /backup/callwatch-$(date +%F).zip --url http://127.0.0.1:8080",
	}
	open := addWorkplace(c, s)
	c.RunE = func(c *cobra.Command, args []string) error {
		d, err := open(c)
		if err != nil {
			return err
		}
		b, err := d.backup(c.Context(), args[0])
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s of %d streams are in %s\n", cli.Plural(int(b.Messages()), "message"), len(b.Streams), cli.PrintableText(args[0]))
		return err
	}
	return c
}

// backup writes a backup beside the file, reads its description back, and gives it
// the file's name.
func (d *workplace) backup(ctx context.Context, file string) (b *stream.Backup, err error) {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return nil, cli.Usage(fmt.Errorf("create the backup: %s is a folder; name a file", file))
	}
	part, err := os.OpenFile(file+".part", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("create the backup: %w", err))
	}
	defer func() {
		_ = part.Close()
		if err != nil {
			_ = os.Remove(part.Name())
		}
	}()
	if d.remote != nil {
		err = download(ctx, d.remote, "/store/backup", part)
	} else {
		err = d.backupHere(ctx, part)
	}
	if err != nil {
		return nil, err
	}
	info, err := part.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the backup: %w", err)
	}
	if b, err = stream.ReadBackup(part, info.Size()); err != nil {
		return nil, fmt.Errorf("the backup is not complete: %w", err)
	}
	if err := errors.Join(part.Sync(), part.Close()); err != nil {
		return nil, fmt.Errorf("write the backup: %w", err)
	}
	if err := os.Rename(part.Name(), file); err != nil {
		return nil, fmt.Errorf("write the backup: %w", err)
	}
	return b, nil
}

func (d *workplace) backupHere(ctx context.Context, w io.Writer) error {
	a, err := d.open(ctx)
	if err != nil {
		return err
	}
	err = a.maintenance.Backup(ctx, w)
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer done()
	return errors.Join(err, a.store.Close(closing))
}

// download copies an answer of the API to w.
func download(ctx context.Context, r *cli.Remote, path string, w io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL+"/api/v1"+path, nil)
	if err != nil {
		return cli.Usage(err)
	}
	answer, err := r.Open(req)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	if _, err := io.Copy(w, answer); err != nil {
		return fmt.Errorf("read the answer of %s: %w", r.URL, err)
	}
	return nil
}

func storeRestoreCommand(s *cli.Settings) *cobra.Command {
	c := &cobra.Command{
		Use: "restore FILE", Short: "Make a store from a backup", Args: cobra.ExactArgs(1),
		Long: "Make a store from a backup, in an empty data directory (--data-dir) or on a NATS server without a store of callwatch.\n" +
			"The backup's checksums are compared first. Then start callwatch: incidents that were announced before the backup\n" +
			"are not announced again. Calls that were erased since the backup must be erased again.",
		Example: "  callwatch store restore /backup/callwatch-2026-11-29.zip --data-dir /var/lib/callwatch",
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := s.Load(c)
		if err != nil {
			return err
		}
		f, err := os.Open(args[0])
		if err != nil {
			return cli.Usage(err)
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil {
			return cli.Usage(err)
		}
		if info.IsDir() {
			return cli.Usage(fmt.Errorf("%s is a folder; name a file", args[0]))
		}
		log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
		bar := cli.NewProgress(c.ErrOrStderr())
		b, err := stream.Restore(c.Context(), cfg.Store(log), f, info.Size(), func(done, total uint64) { bar.At(int64(done), int64(total)) })
		bar.End()
		switch {
		case errors.Is(err, stream.ErrNotABackup), errors.Is(err, stream.ErrNotEmpty):
			return cli.Problems(err)
		case err != nil:
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s of %d streams are restored, as of %s\n", cli.Plural(int(b.Messages()), "message"), len(b.Streams), cli.Clock(b.At))
		return err
	}
	return c
}
