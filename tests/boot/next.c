/* The OS loader's stand-in for the loader's tests: says that it runs and with what command line,
 * then switches the machine off (or returns, when its command line is "return"). */
#include "boot/efi.h"

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table);

static void put(EFI_SYSTEM_TABLE *table, const CHAR16 *text)
{
	table->ConOut->OutputString(table->ConOut, (CHAR16 *)text);
}

static BOOLEAN is_return(const CHAR16 *args)
{
	static const CHAR16 word[] = u"return";

	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		if (args[i] != word[i])
			return FALSE;
	return TRUE;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
	EFI_GUID guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
	EFI_LOADED_IMAGE *self;
	const CHAR16 *args = u"";
	EFI_STATUS status = table->BootServices->HandleProtocol(image, &guid, (void **)&self);

	if (EFI_ERROR(status))
		return status;
	if (self->LoadOptionsSize)
		args = self->LoadOptions;
	put(table, u"\r\nNEXT-RUNS [");
	put(table, args);
	put(table, u"]\r\n");
	if (is_return(args))
		return EFI_LOAD_ERROR;
	table->RuntimeServices->ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL);
	return EFI_SUCCESS;
}
